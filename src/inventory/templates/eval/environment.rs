//! What the engine provides to templates: the filters, tests and functions of `stdlib`, those of this layer, and the
//! settings that make the engine behave like Ansible's Jinja.

use minijinja::value::{Kwargs, Rest};
use minijinja::{AutoEscape, Environment, Error, State, UndefinedBehavior, Value};

use super::engine::Engine;
use super::evaluation::{Evaluation, Missing};
use super::lazy::check_size;
use super::output::{as_written, write_value};
use super::{lookups, map_filters};
use crate::inventory::templates::compile::{Names, Vocabulary};
use crate::inventory::templates::stdlib::call::Call;
use crate::inventory::templates::stdlib::functions::dict;
use crate::inventory::templates::stdlib::{conditions, filters, methods};
use crate::inventory::templates::value::convert::checked;
use crate::inventory::templates::value::errors::{error, undefined_error};
use crate::inventory::templates::value::omit::Omit;

/// The maximum number of engine steps for one template. A loop over 100,000 hosts needs fewer.
const FUEL: u64 = 3_000_000;

/// An engine with everything that a template can use.
pub(super) fn new_engine() -> Engine {
    let mut environment = Environment::empty();
    configure(&mut environment);
    add_filters(&mut environment);
    add_tests(&mut environment);
    add_functions(&mut environment);
    Engine::new(environment, vocabulary())
}

fn configure(environment: &mut Environment<'static>) {
    // By default the engine writes an undefined value as an empty text, which would silently change a password.
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    // In debug mode the engine looks up all variables that a failed template names, which would resolve them.
    environment.set_debug(false);
    environment.set_fuel(Some(FUEL));
    // By default the engine decides by the name of a template whether to escape for HTML, and the name is the source
    // here.
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    // Ansible removes the line break after a statement.
    if let Ok(syntax) = minijinja::syntax::SyntaxConfig::builder().trim_blocks(true).build() {
        environment.set_syntax(syntax);
    }
    environment.set_formatter(write_value);
    environment.set_unknown_method_callback(methods::call_method);
    // The name of a template is its source, so that the engine's own cache finds it.
    environment.set_loader(|source| Ok(Some(source.to_owned())));
}

fn vocabulary() -> Vocabulary {
    let filters = filters::all().map(|(name, _)| name).chain(map_filters::FILTERS.iter().map(|(name, _)| *name));
    let tests = conditions::all().map(|(name, _)| name).chain(map_filters::TESTS.iter().map(|(name, _)| *name));
    Vocabulary {
        filters: Names { supported: filters.collect(), unsupported: filters::UNSUPPORTED },
        tests: Names { supported: tests.collect(), unsupported: conditions::UNSUPPORTED },
    }
}

fn add_filters(environment: &mut Environment<'static>) {
    for (name, function) in filters::all() {
        add_filter(environment, name, move |_, call| function(call));
    }
    for (name, function) in map_filters::FILTERS {
        add_filter(environment, name, function);
    }
    environment.add_filter("__as_written", as_written);
    // Loops and chains of variables can double a value in each step, so the compiler adds this filter, which checks the
    // size, at each step.
    environment.add_filter("__bounded", |value: Value| -> Result<Value, Error> { check_size(&value).map(|()| value) });
}

fn add_filter<F>(environment: &mut Environment<'static>, name: &'static str, function: F)
where
    F: Fn(&mut State<'_, '_>, &mut Call) -> Result<Value, Error> + Send + Sync + 'static,
{
    let accepts_undefined = filters::ACCEPT_UNDEFINED.contains(&name);
    let filter = move |state: &mut State<'_, '_>, arguments: Rest<Value>, named: Kwargs| -> Result<Value, Error> {
        let call = Call::new(&arguments, &named)?;
        // The arguments are checked in each step, so that no filter has to process a huge value.
        call.arguments().try_for_each(check_size)?;
        // The result for an undefined value is undefined, so that `default` can follow: `x | upper | default('y')`.
        match call.undefined().filter(|_| !accepts_undefined) {
            Some(undefined) => Ok(undefined),
            None => call.apply(|call| function(state, call)),
        }
    };
    environment.add_filter(name, filter);
}

fn add_tests(environment: &mut Environment<'static>) {
    for (name, function) in conditions::all() {
        add_test(environment, name, move |_, call| function(call));
    }
    for (name, callable) in map_filters::TESTS {
        add_test(environment, name, move |state, call| map_filters::name_exists(state, callable, call));
    }
}

fn add_test<F>(environment: &mut Environment<'static>, name: &'static str, function: F)
where
    F: Fn(&State<'_, '_>, &mut Call) -> Result<Value, Error> + Send + Sync + 'static,
{
    let accepts_undefined = conditions::ACCEPT_UNDEFINED.contains(&name);
    let test = move |state: &State<'_, '_>, arguments: Rest<Value>, named: Kwargs| -> Result<bool, Error> {
        let call = Call::new(&arguments, &named)?;
        // Unlike the result of a filter, the result of a test cannot be undefined.
        if !accepts_undefined && call.undefined().is_some() {
            return Err(undefined_error());
        }
        call.apply(|call| function(state, call)).map(|value| value.is_true())
    };
    environment.add_test(name, test);
}

fn add_functions(environment: &mut Environment<'static>) {
    lookups::add_to(environment);
    environment.add_function("range", minijinja::functions::range);
    environment.add_function("dict", dict);
    environment.add_function("namespace", minijinja::functions::namespace);
    // Ansible's `undef()` returns an undefined value. Its hint would only change the message.
    environment.add_function("undef", |_: Rest<Value>, _: Kwargs| Value::UNDEFINED);
    environment.add_function("now", |_: Rest<Value>, _: Kwargs| -> Result<Value, Error> {
        Err(error("templates of an inventory cannot read the clock"))
    });
    environment.add_function("__member", member);
    environment.add_global("omit", Value::from_object(Omit));
}

/// The function `__member`, which the compiler adds: `a.b[c]`, undefined if a step of it is undefined.
fn member(state: &State<'_, '_>, value: Value, keys: Rest<Value>) -> Result<Value, Error> {
    let mut value = value;
    for key in keys.iter() {
        if value.is_undefined() {
            return Ok(value);
        }
        // As in Ansible `a[b]` is undefined if `b` is, so that `default` can follow.
        if key.is_undefined() {
            return Ok(key.clone());
        }
        value = checked(value.get_item(key)?)?;
        if value.is_undefined()
            && let Some(evaluation) = Evaluation::of(state)
        {
            let name = key.as_str().filter(|name| name.chars().all(|c| c.is_alphanumeric() || c == '_'));
            evaluation.record_missing(Missing::Member(name.map(str::to_owned)));
        }
    }
    Ok(value)
}
