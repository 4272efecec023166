//! Reads single settings with their types, from the environment or from the file, and collects the problems. It knows
//! no setting.

use std::path::PathBuf;

use oregano::inventory::Problem;
use oregano::inventory::load::expand_with;

use super::UserEnvironment;
use super::file::ConfigFile;

/// A setting, and where it comes from.
pub(super) struct Written {
    pub text: String,
    /// The folder that relative paths are relative to.
    base: PathBuf,
    /// For messages: `` `forks` in `ansible.cfg` ``.
    pub origin: String,
}

impl Written {
    /// The text without quotes around it, as Ansible reads texts.
    pub fn unquoted(&self) -> &str {
        unquoted(&self.text)
    }

    /// The items between commas.
    pub fn list(&self) -> Vec<String> {
        self.text.split(',').map(|item| unquoted(item.trim()).to_owned()).collect()
    }

    /// The text as a boolean; `None` if it is none.
    pub fn flag(&self) -> Option<bool> {
        match self.text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" | "t" | "y" => Some(true),
            "false" | "no" | "off" | "0" | "f" | "n" => Some(false),
            _ => None,
        }
    }
}

fn unquoted(text: &str) -> &str {
    let inner = ['"', '\''].into_iter().find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote));
    inner.unwrap_or(text)
}

pub(super) struct SettingsReader<'a> {
    environment: &'a UserEnvironment<'a>,
    file: Option<ConfigFile>,
    pub problems: Vec<Problem>,
}

impl<'a> SettingsReader<'a> {
    pub fn new(environment: &'a UserEnvironment<'a>, file: Option<ConfigFile>) -> Self {
        Self { environment, file, problems: Vec::new() }
    }

    /// The environment variable or, if it is not set, the key in `[defaults]`.
    pub fn get(&self, variable: &str, key: &str) -> Option<Written> {
        self.first(&[variable], &[("defaults", key)])
    }

    /// The last of the environment variables that is set or, if none is set, the last of the keys in their sections.
    pub fn first(&self, variables: &[&str], keys: &[(&str, &str)]) -> Option<Written> {
        // Relative paths in a variable start in the working directory, but those in the file start in its own folder.
        if let Some((variable, text)) =
            variables.iter().rev().find_map(|variable| Some((variable, (self.environment.env)(variable)?)))
        {
            let base = self.environment.folder.to_owned();
            return Some(Written { text, base, origin: format!("the environment variable `{variable}`") });
        }
        let file = self.file.as_ref()?;
        let (key, text) = keys.iter().rev().find_map(|(section, key)| Some((key, file.get(section, key)?)))?;
        let base = file.path.parent().map(std::path::Path::to_owned).unwrap_or_default();
        Some(Written { text, base, origin: format!("`{key}` in `{}`", file.path.display()) })
    }

    pub fn path(&self, setting: &Written, text: &str) -> PathBuf {
        let text = text.replace("{{CWD}}", &self.environment.folder.display().to_string());
        setting.base.join(expand_with(&text, self.environment.env, self.environment.home))
    }

    pub fn flag(&mut self, variable: &str, key: &str) -> Option<bool> {
        let setting = self.get(variable, key)?;
        self.flag_of(&setting)
    }

    pub fn flag_of(&mut self, setting: &Written) -> Option<bool> {
        let flag = setting.flag();
        if flag.is_none() {
            let problem = Problem::new(format!("{} is neither true nor false", setting.origin));
            self.problems.push(problem.hint("write True or False"));
        }
        flag
    }

    pub fn number<T: TryFrom<u64>>(&mut self, variable: &str, key: &str) -> Option<T> {
        let setting = self.get(variable, key)?;
        let number = setting.text.parse().ok().filter(|number| *number > 0).and_then(|number| T::try_from(number).ok());
        if number.is_none() {
            let problem = Problem::new(format!("{} is not a valid number", setting.origin));
            self.problems.push(problem.hint("write an integer greater than 0"));
        }
        number
    }
}
