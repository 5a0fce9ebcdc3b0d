//! The optional exports that a guest has: which, and whether they are as in the contract.

use std::sync::Arc;

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ComponentExportIndex, ComponentNamedList, InstancePre, Lift, Lower};

use super::bindings::{fit, lifecycle, upgrade};
use super::state::State;

const UPGRADE: &str = "whimbrel:websocket/upgrade@0.1.0";
const FIT: &str = "whimbrel:websocket/fit@0.1.0";
const LIFECYCLE: &str = "whimbrel:websocket/lifecycle@0.1.0";

/// Where the functions of the optional exports are; none for an interface that the guest does not export.
#[derive(Clone)]
pub(super) struct Optional {
    pub(super) upgrade: Option<Arc<upgrade::GuestIndices>>,
    pub(super) fit: Option<Arc<fit::GuestIndices>>,
    pub(super) lifecycle: Option<Arc<lifecycle::GuestIndices>>,
}

impl Optional {
    /// Look for them in a component that has no [`problems`].
    pub(super) fn new(component: &Component, pre: &InstancePre<State>) -> wasmtime::Result<Self> {
        let has = |interface: &str| component.get_export_index(None, interface).is_some();
        Ok(Optional {
            upgrade: has(UPGRADE).then(|| upgrade::GuestIndices::new(pre)).transpose()?.map(Into::into),
            fit: has(FIT).then(|| fit::GuestIndices::new(pre)).transpose()?.map(Into::into),
            lifecycle: has(LIFECYCLE).then(|| lifecycle::GuestIndices::new(pre)).transpose()?.map(Into::into),
        })
    }
}

/// What is wrong with the optional exports that there are.
pub(super) fn problems(component: &Component) -> Vec<String> {
    let mut problems = Vec::new();
    if let Some((_, interface)) = component.get_export(None, FIT) {
        let scopes = function::<(), (Vec<fit::Scope>,)>(component, FIT, &interface, "scopes");
        problems.extend(scopes.err());
    }
    if let Some((_, interface)) = component.get_export(None, LIFECYCLE) {
        let snapshot = function::<(), (Result<Vec<u8>, String>,)>(component, LIFECYCLE, &interface, "snapshot");
        let restore = function::<(&[u8],), (Result<(), String>,)>(component, LIFECYCLE, &interface, "restore");
        problems.extend(snapshot.err().into_iter().chain(restore.err()));
    }
    problems
}

/// A function of an exported interface has to be there, and to be of this type.
fn function<Params, Return>(
    component: &Component,
    interface: &str,
    index: &ComponentExportIndex,
    name: &str,
) -> Result<(), String>
where
    Params: ComponentNamedList + Lower,
    Return: ComponentNamedList + Lift,
{
    let Some((ComponentItem::ComponentFunc(function), _)) = component.get_export(Some(index), name) else {
        return Err(format!("missing export {interface} function {name}"));
    };
    function
        .typecheck::<Params, Return>(&component.component_type().instance_type())
        .map_err(|error| format!("export {interface} function {name} is not of the contract's type: {error:#}"))
}
