//! The template engine with all that Ansible adds to Jinja, made once for an inventory; and the
//! evaluation of one template.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use minijinja::value::{Object, ObjectRepr, Rest, ValueKind};
use minijinja::{Environment, Error, Output, State, UndefinedBehavior, Value};

use super::bounds::{MAX_TEXT, bounded, may_be_made};
use super::context::{Frame, Run};
use super::convert::valid;
use super::explain::Explained;
use super::fault::{Failure, refuse, undefined_as};
use super::plan::{Plan, Program};
use super::{conditions, convert, filters, lookups, methods, render};
use crate::inventory::model::{Inventory, Node, Value as Plain};
use crate::inventory::problem::Problem;

/// Steps of the engine for one template: a loop over a hundred thousand hosts has some to spare.
const FUEL: u64 = 3_000_000;

/// The engine, with what it has learned of the templates of an inventory.
pub(crate) struct Engine {
    environment: Environment<'static>,
    plans: RwLock<HashMap<String, Arc<Plan>>>,
    groups: OnceLock<Value>,
}

/// `omit`: what it stands in goes without it.
#[derive(Debug)]
pub(super) struct Omit;

impl Object for Omit {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
}

/// A number in the words of whoever wrote it, on its way into a text.
#[derive(Debug)]
struct Written {
    text: String,
    value: Value,
}

impl Object for Written {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
}

/// What a template writes, as long as that is not too long.
struct Emitted(Vec<u8>);

impl std::io::Write for Emitted {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        if self.0.len().saturating_add(text.len()) > MAX_TEXT {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Engine {
    /// An engine that knows all filters, tests and functions.
    pub fn new() -> Self {
        let mut environment = Environment::empty();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        // Its debug mode looks up all variables that a failing template names.
        environment.set_debug(false);
        environment.set_fuel(Some(FUEL));
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        if let Ok(syntax) = minijinja::syntax::SyntaxConfig::builder().trim_blocks(true).build() {
            environment.set_syntax(syntax);
        }
        environment.set_formatter(emit);
        environment.set_unknown_method_callback(methods::call);
        // The name of a template is its text, so that the engine's own cache serves.
        environment.set_loader(|text| Ok(Some(text.to_owned())));
        filters::add_to(&mut environment);
        conditions::add_to(&mut environment);
        lookups::add_to(&mut environment);
        environment.add_global("omit", Value::from_object(Omit));
        environment.add_function("__member", member);
        environment.add_filter("__written", written);
        environment.add_filter("__bounded", within_bounds);
        Self { environment, plans: RwLock::default(), groups: OnceLock::new() }
    }

    /// How a text is evaluated.
    pub(super) fn plan(&self, text: &str) -> Arc<Plan> {
        if let Some(plan) = self.plans.read().unwrap_or_else(PoisonError::into_inner).get(text) {
            return Arc::clone(plan);
        }
        let plan = Arc::new(Plan::of(text));
        let mut plans = self.plans.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(plans.entry(text.to_owned()).or_insert(plan))
    }

    /// `groups`: the names of all hosts by group, in Ansible's order (level by level).
    pub(super) fn groups(&self, inventory: &Inventory) -> Value {
        self.groups.get_or_init(|| groups(inventory)).clone()
    }

    /// The value of a template; the string it makes, or the one value it emits.
    pub(super) fn run(&self, frame: &Arc<Frame>, node: &Node, text: &str, program: &Program) -> Result<Value, Failure> {
        let run = Run::new(Arc::clone(frame), program.single);
        let mut output = Emitted(Vec::new());
        let rendered = self
            .environment
            .get_template(&program.source)
            .and_then(|template| template.render_captured_to(Value::from_dyn_object(Arc::clone(&run)), &mut output));
        rendered.map_err(|error| Explained { frame, node, text, program, run: &run }.failure(&error))?;
        let output = String::from_utf8(output.0).unwrap_or_default();
        let result = run.note(|notes| match (notes.emitted, notes.first.take()) {
            (1, Some(value)) if program.single || is_all(&value, &output) => value,
            (_, _) if output.is_empty() => Value::from(()),
            _ => Value::from(output),
        });
        if let Some(written) = result.downcast_object_ref::<Written>() {
            return Ok(written.value.clone());
        }
        if result.is_undefined() {
            let problem = Problem::hiding(
                &node.span,
                "this template has no value: its condition is false, and there is no `else`",
            );
            return Err(Failure::Wrong(problem));
        }
        Ok(result)
    }
}

/// Whether a template is nothing but this value.
fn is_all(value: &Value, output: &str) -> bool {
    match value.downcast_object_ref::<Written>() {
        Some(written) => written.text == output,
        None => render::output(value).is_ok_and(|text| text == output),
    }
}

fn groups(inventory: &Inventory) -> Value {
    let hosts: HashMap<&str, Value> = inventory.hosts.keys().map(|name| (name.as_str(), Value::from(name))).collect();
    let members = |start: &str| {
        let mut seen_groups = vec![start];
        let mut seen_hosts = HashSet::new();
        let mut names = Vec::new();
        let mut next = 0;
        while let Some(group) = seen_groups.get(next).and_then(|name| inventory.groups.get(*name)) {
            next += 1;
            names.extend(group.hosts.iter().filter(|host| seen_hosts.insert(host.as_str())));
            for child in &group.children {
                if !seen_groups.contains(&child.as_str()) {
                    seen_groups.push(child);
                }
            }
        }
        names.into_iter().filter_map(|name| hosts.get(name.as_str()).cloned()).collect::<Vec<_>>()
    };
    Value::from_pairs(inventory.groups.keys().map(|group| (group.as_str(), Value::from(members(group)))))
}

/// The value, if it is not too large: loops and chains of variables can double it at each step.
fn within_bounds(value: Value) -> Result<Value, Error> {
    bounded(&value).map(|()| value)
}

/// Takes what a `{{ … }}` gives.
fn emit(output: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let Some(run) = Run::of(state) else { return Err(refuse("this template has no context")) };
    if value.is_none() || (value.downcast_object_ref::<Omit>().is_some() && !run.single) {
        return Ok(());
    }
    let value = &valid(value.clone())?;
    let first = run.note(|notes| {
        notes.emitted += 1;
        if notes.emitted == 1 {
            notes.first = Some(value.clone());
        }
        notes.emitted == 1
    });
    bounded(value)?;
    if value.is_undefined() || (run.single && first) {
        return Ok(());
    }
    let text = match value.downcast_object_ref::<Written>() {
        Some(written) => written.text.clone(),
        None => render::output(value)?,
    };
    let written = run.note(|notes| {
        notes.written = notes.written.saturating_add(text.len());
        notes.written
    });
    may_be_made(Some(written))?;
    output.write_str(&text).map_err(Error::from)
}

/// `a.b[c]`: undefined if one of the steps is.
fn member(state: &State<'_, '_>, value: Value, keys: Rest<Value>) -> Result<Value, Error> {
    let mut value = value;
    for key in keys.iter() {
        if value.is_undefined() {
            return Ok(value);
        }
        if key.is_undefined() {
            return Ok(key.clone());
        }
        value = valid(value.get_item(key)?)?;
        if value.is_undefined()
            && let Some(run) = Run::of(state)
        {
            let name = key.as_str().filter(|name| name.chars().all(|c| c.is_alphanumeric() || c == '_'));
            let what = name.map_or_else(|| "this member".to_owned(), |name| format!("member `{name}`"));
            run.note(|notes| notes.missing.push((format!("\0{what}"), None)));
        }
    }
    Ok(value)
}

/// A number as it was written, if it is still the variable's.
fn written(state: &State<'_, '_>, value: Value, name: &str) -> Result<Value, Error> {
    let number = matches!(value.kind(), ValueKind::Number | ValueKind::Bool);
    let Some(run) = Run::of(state).filter(|_| number) else { return Ok(value) };
    match run.frame.node(name) {
        Ok(Some(node)) if matches!(node.value, Plain::Int(_) | Plain::Float(_) | Plain::Bool(_)) => {
            let same = convert::settled(&node).is_ok_and(|own| own == value);
            Ok(if same { Value::from_object(Written { text: node.text, value }) } else { value })
        }
        _ => Ok(value),
    }
}

/// The variables of the run that a function is part of.
pub(super) fn frame(state: &State<'_, '_>) -> Result<Arc<Frame>, Error> {
    Run::of(state).map(|run| Arc::clone(&run.frame)).ok_or_else(|| undefined_as("this template has no context"))
}
