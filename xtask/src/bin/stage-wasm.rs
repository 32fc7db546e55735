//! `stage-wasm MODULE FOLDER`: makes of what the compiler wrote a module with its
//! JavaScript and types, for a page's worker.
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(module), Some(folder)) = (args.next(), args.next()) else {
        return Err("usage: stage-wasm MODULE FOLDER".into());
    };
    Bindgen::new()
        .input_path(module)
        .web(true)?
        .typescript(true)
        // The worker says where the module is.
        .omit_default_module_path(true)
        .generate(folder)?;
    Ok(())
}
