//! Recognizes arguments of `ssh` that lead a connection to another machine or another user. It uses none of them.

/// Options of `ssh` that redirect a connection: a configuration file, a jump host, the user, the port, and a forwarding
/// of the standard streams.
const FLAGS: [char; 5] = ['F', 'J', 'l', 'p', 'W'];
/// The options that have a value. Others may be written together, as in `-Cq`.
const WITH_VALUE: &str = "BbcDEeFIiJLlmOopQRSWw";
/// Keywords of `-o` that redirect a connection (ssh_config(5)), in lower case.
const KEYWORDS: [&str; 6] = ["hostname", "include", "port", "proxycommand", "proxyjump", "user"];

/// Whether the arguments redirect a connection.
pub(super) fn redirect(arguments: &str) -> bool {
    let mut words = words(arguments).into_iter();
    while let Some(word) = words.next() {
        let Some(letters) = word.strip_prefix('-') else { continue };
        let Some(at) = letters.find(|letter| WITH_VALUE.contains(letter)) else { continue };
        let flag = letters[at..].chars().next().unwrap_or_default();
        let attached = &letters[at + 1..];
        let value = if attached.is_empty() { words.next().unwrap_or_default() } else { attached.to_owned() };
        let redirects = match flag {
            'F' => !["none", "/dev/null"].contains(&value.as_str()),
            'o' => is_redirection(&value),
            flag => FLAGS.contains(&flag),
        };
        if redirects {
            return true;
        }
    }
    false
}

/// Whether `Keyword=value` or `Keyword value` redirects a connection.
fn is_redirection(option: &str) -> bool {
    let (keyword, value) = option.split_once(['=', ' ', '\t']).unwrap_or((option, ""));
    let value = value.trim_start_matches(['=', ' ', '\t']);
    KEYWORDS.contains(&keyword.trim().to_ascii_lowercase().as_str()) && !value.eq_ignore_ascii_case("none")
}

/// The words of a command line. Quotes keep white space together.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut quote) = (None::<String>, None);
    for c in text.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::redirect;

    #[test]
    fn only_arguments_that_redirect_a_connection_are_recognized() {
        for arguments in [
            "-o ProxyCommand=nc",
            "-o ControlMaster=auto -oProxyJump=bastion",
            "-o 'ProxyCommand ssh -W %h:%p bastion'",
            "-o \"proxycommand=ssh -W %h:%p bastion\"",
            "-J bastion",
            "-Jbastion",
            "-C -p 2222",
            "-Cp2222",
            "-F ssh.cfg",
            "-F ./ssh-bastion.conf -o ControlMaster=auto",
            "-o HostName=other",
            "-o Port=2222",
            "-l deploy",
            "-o User=deploy",
        ] {
            assert!(redirect(arguments), "{arguments}");
        }
        for arguments in [
            "",
            "-C -o ControlMaster=auto -o ControlPersist=60s",
            "-o ControlPath=~/.ssh/ansible-prod-%r@%h:%p",
            "-o ControlPath=/tmp/my-proxy/port=1",
            "-o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no",
            "-o ForwardAgent=yes -o PreferredAuthentications=publickey -o IdentitiesOnly=yes",
            "-F /dev/null -q -tt",
            "-o ProxyCommand=none -o ProxyJump=none",
            "-i ~/.ssh/id_-p",
        ] {
            assert!(!redirect(arguments), "{arguments}");
        }
    }
}
