//! The examples at the end of every help text. A test runs each of them against real servers.

/// A command line that a user can adapt.
struct Example {
    /// What it does.
    purpose: &'static str,
    line: &'static str,
}

const fn example(purpose: &'static str, line: &'static str) -> Example {
    Example { purpose, line }
}

/// The examples of each command; `oregano` is the program itself.
const EXAMPLES: &[(&str, &[Example])] = &[
    (
        "oregano",
        &[
            example(
                "Report errors and likely mistakes in an inventory; nothing is contacted",
                "oregano inventory --check -i hosts.ini",
            ),
            example("Verify every credential; nothing is changed", "oregano validate -i hosts.ini"),
            example("Show what would change", "oregano plan -i hosts.ini"),
            example("Change it", "oregano apply -i hosts.ini"),
        ],
    ),
    (
        "validate",
        &[
            example("Contact the registries from this machine", "oregano validate -i hosts.ini"),
            example(
                "Also find the nodes whose firewall, DNS or proxy prevents a pull",
                "oregano validate -i hosts.ini --from every-node",
            ),
        ],
    ),
    (
        "plan",
        &[
            example("Show what apply would change", "oregano plan -i hosts.ini"),
            example("The same for two nodes, as JSON lines", "oregano plan -i hosts.ini --limit node1,node2 -o json"),
            example(
                "Only the objects of the cluster, with another context of the kubeconfig",
                "oregano plan -i hosts.ini --only cluster --context prod",
            ),
        ],
    ),
    (
        "apply",
        &[
            example("Verify every credential, then write the secrets and the files", "oregano apply -i hosts.ini"),
            example(
                "Read the passwords from a file that ansible-vault encrypted",
                "oregano apply -i hosts.ini -e @secrets.yml --vault-password-file vault-password",
            ),
            example(
                "Only the nodes, as root with sudo",
                "oregano apply -i hosts.ini --only nodes --become --become-password-file sudo-password",
            ),
        ],
    ),
    (
        "restore",
        &[example("List the backups, the newest first; put one back with its name and `-i`", "oregano restore")],
    ),
    (
        "login",
        &[
            example("Type the password at a prompt", "oregano login registry.example.com --username puller"),
            example(
                "Read the password from a file, and save the credential in the file of podman",
                "oregano login registry.example.com -u puller --password-stdin --to auth.json < password",
            ),
            example(
                "The integrated registry of OpenShift, whose certificate is not trusted here",
                "oregano login registry.example.com --kubeconfig-token --insecure",
            ),
        ],
    ),
    (
        "logout",
        &[
            example("Remove the entry from the file of docker", "oregano logout registry.example.com"),
            example(
                "Remove the entry of a namespace from another file",
                "oregano logout registry.example.com/team --to auth.json",
            ),
        ],
    ),
    (
        "explain",
        &[
            example("On this machine", "oregano explain registry.example.com/openshift3/ose-pod:v3.11"),
            example("On nodes", "oregano explain registry.example.com/team/app -i hosts.ini --limit node1,node2"),
            example(
                "For a pod with the service account `default` of a namespace",
                "oregano explain registry.example.com/team/app --namespace openshift --context prod",
            ),
        ],
    ),
    (
        "inventory",
        &[
            example("Report errors and likely mistakes", "oregano inventory --check -i hosts.ini"),
            example("Print the inventory as ansible-inventory does", "oregano inventory --list -i hosts.ini --yaml"),
            example("Print the variables of one host", "oregano inventory --host node1 -i hosts.ini"),
            example("Print the hosts of a group as a tree", "oregano inventory --graph nodes -i hosts.ini"),
        ],
    ),
    ("schema", &[example("Save the schema of the JSON output", "oregano schema events > events.schema.json")]),
    (
        "completion",
        &[
            example("In the current bash", "source <(oregano completion bash)"),
            example("In every new fish", "oregano completion fish > ~/.config/fish/completions/oregano.fish"),
        ],
    ),
    (
        "man",
        &[
            example("Read the manual page of oregano", "oregano man | man -l -"),
            example("Write the pages of all commands for a package", "oregano man /usr/local/share/man/man1"),
        ],
    ),
    ("version", &[example("Print the version", "oregano version")]),
];

/// The section with the examples of a command, in the format of kubectl; empty if there are none.
pub(super) fn text(command: &str) -> String {
    let examples = EXAMPLES.iter().find(|(name, _)| *name == command).map_or(&[][..], |(_, examples)| examples);
    let lines: Vec<String> =
        examples.iter().map(|Example { purpose, line }| format!("  # {purpose}\n  {line}")).collect();
    if lines.is_empty() { String::new() } else { format!("Examples:\n{}", lines.join("\n\n")) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_command_has_examples() {
        let cli = crate::cli::command();
        // `help` prints the help of the other commands.
        for command in cli.get_subcommands().filter(|command| command.get_name() != "help") {
            assert_ne!(super::text(command.get_name()), "", "`{}` has no example", command.get_name());
        }
    }
}
