//! Makes components of the guests in `wat`: code in text form, put into the places of a skeleton.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::Resolve;

use crate::constant;

const SKELETON: &str = "skeleton";
/// Places that are an exported function of their own: their world, the function, its type.
const EXPORTS: [(&str, &str, &str, &str); 2] = [
    ("upgrade", "guest-with-upgrade", "upgrade@0.1.0#upgrade", "(param $request i32) (result i32)"),
    ("fit", "guest-with-fit", "fit@0.1.0#scopes", "(result i32)"),
];
/// What stands before a place's name in a guest.
const PLACE: &str = ";;@ ";

/// Assembles every guest into `out`; a constant for each.
pub fn all(root: &Path, sources: &Path, out: &Path) -> String {
    fs::create_dir_all(out).expect("the output folder can be made");
    let read = |name: &str| fs::read_to_string(sources.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let (skeleton, worlds) = (read("skeleton.wat"), read("worlds.wit"));
    let mut text = String::new();
    for entry in fs::read_dir(sources).expect("the folder with the guests can be read") {
        let file = entry.expect("the folder with the guests can be read").file_name();
        let file = file.to_str().expect("guests have plain names");
        let Some(name) = file.strip_suffix(".wat").filter(|name| *name != SKELETON) else { continue };
        let source = read(file);
        let component = if source.contains("\n(component") {
            wat::parse_str(&source).unwrap_or_else(|error| panic!("{file}: {error}"))
        } else {
            component(&root.join("wit"), &worlds, &skeleton, &places(&source))
                .unwrap_or_else(|error| panic!("{file}: {error:#}"))
        };
        let wasm = out.join(format!("{name}.wasm"));
        fs::write(&wasm, component).expect("the output folder can be written");
        text += &constant(&format!("wat/{file}"), name, &wasm);
    }
    text
}

/// The code for each place.
fn places(source: &str) -> BTreeMap<&str, &str> {
    source.split(PLACE).skip(1).filter_map(|place| place.split_once('\n')).collect()
}

fn component(
    wit: &Path,
    worlds: &str,
    skeleton: &str,
    places: &BTreeMap<&str, &str>,
) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let mut module = skeleton.to_owned();
    let is_export = |place: &str| EXPORTS.iter().any(|(name, ..)| *name == place);
    for (place, code) in places.iter().filter(|(place, _)| !is_export(place)) {
        let marker = format!(";;{{{place}}}");
        assert!(module.contains(&marker), "the skeleton has no place {place:?}");
        module = module.replace(&marker, code);
    }
    let has_resources = places.get("imports").is_some_and(|code| code.contains("[resource-new]"));
    let mut world = if has_resources { "guest-with-resources" } else { "guest" };
    for (place, with_export, function, ty) in EXPORTS {
        let Some(code) = places.get(place) else { continue };
        world = with_export;
        let end = module.rfind(')').expect("the skeleton is a module");
        module.insert_str(end, &format!("(func (export \"whimbrel:websocket/{function}\") {ty}\n{code})\n"));
    }
    let mut module = wat::parse_str(module)?;
    let mut resolve = Resolve::default();
    resolve.push_dir(wit)?;
    let package = resolve.push_str("worlds.wit", worlds)?;
    let world = resolve.select_world(&[package], Some(world))?;
    wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false)?;
    Ok(ComponentEncoder::default().module(&module)?.validate(true).encode()?)
}
