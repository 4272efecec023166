//! What the documents of this repository declare: the roles of docs/permissions.md, and the declarations of
//! docs/procedures.md.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

/// A section of docs/procedures.md with a declaration.
pub struct Procedure {
    pub title: String,
    pub declared: String,
}

impl Procedure {
    /// Whether it is for the pull secret of all nodes of OpenShift 4.
    pub fn is_global(&self) -> bool {
        self.declared.contains("oregano_global_pull_secret")
    }
}

/// The roles of docs/permissions.md, by name.
pub fn roles() -> BTreeMap<String, Value> {
    let text = text("docs/permissions.md");
    let blocks = text.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let roles = blocks.map(|block| serde_yaml::from_str::<Value>(block).unwrap());
    roles.map(|role| (role["metadata"]["name"].as_str().unwrap().to_owned(), role)).collect()
}

/// The sections of docs/procedures.md that declare objects of the cluster.
pub fn procedures() -> Vec<Procedure> {
    let text = text("docs/procedures.md");
    let sections = text.split("\n## ").skip(1).filter_map(|section| {
        let (title, rest) = section.split_once('\n')?;
        let declared = rest.split_once("```yaml\n")?.1.split_once("```")?.0;
        Some(Procedure { title: title.to_owned(), declared: declared.to_owned() })
    });
    sections.collect()
}

fn text(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}
