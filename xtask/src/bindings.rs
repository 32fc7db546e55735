//! `cargo xtask bindings`: what other languages need, generated and built. Nothing of
//! it is committed.
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{tools, wasm};

/// Generates and builds everything.
pub fn all() -> Result<(), String> {
    kotlin()?;
    swift()?;
    node()?;
    web()?;
    println!("bindings for Kotlin, Swift, Node and the web are built");
    Ok(())
}

fn folder(language: &str) -> PathBuf {
    tools::root().join("bindings").join(language)
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// The folder, empty.
fn fresh(folder: PathBuf) -> Result<PathBuf, String> {
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    Ok(folder)
}

/// Builds a library and says where it is. All libraries are built: cargo chooses the
/// same features as for the tests, and builds each dependency once.
fn library(package: &str) -> Result<PathBuf, String> {
    tools::run(&mut tools::cargo(&["build", "--workspace", "--lib"]))?;
    let file = format!(
        "{}{}{}",
        std::env::consts::DLL_PREFIX,
        package.replace('-', "_"),
        std::env::consts::DLL_SUFFIX
    );
    Ok(tools::target().join("debug").join(file))
}

/// One of xtask's own tools that are built when they are needed.
fn tool(name: &str, args: &[&str]) -> Result<(), String> {
    let mut all = vec!["run", "--quiet", "--package", "xtask"];
    all.extend(["--features", name, "--bin", name, "--"]);
    all.extend(args);
    tools::run(&mut tools::cargo(&all))
}

/// Writes a language's sources from the library; `file` must be among them: from a
/// library without symbols the generator writes nothing and says nothing.
fn generate(language: &str, file: &str) -> Result<PathBuf, String> {
    let library = library("stunity-ffi")?;
    let out = fresh(folder(language).join("generated"))?;
    tool(
        "uniffi-bindgen",
        &[
            "generate",
            "--library",
            &text(&library),
            "--language",
            language,
            "--out-dir",
            &text(&out),
            "--no-format",
        ],
    )?;
    if !out.join(file).is_file() {
        return Err(format!("no {file} was generated for {language}"));
    }
    Ok(out)
}

/// What Kotlin runs with.
pub struct Kotlin {
    /// Classes and libraries, as Java's class path.
    pub classes: String,
    /// The folder of the native library.
    pub native: PathBuf,
}

/// Kotlin's sources, compiled for the JVM with the scenario.
pub fn kotlin() -> Result<Kotlin, String> {
    for (program, package) in [("java", "default-jdk-headless"), ("mvn", "maven")] {
        if !tools::has(program) {
            tools::apt(package)?;
        }
    }
    generate("kotlin", "uniffi/stunity_ffi/stunity_ffi.kt")?;
    let build = folder("kotlin").join("build");
    let mut maven = Command::new("mvn");
    maven
        .args(["--quiet", "--batch-mode", "compile"])
        .current_dir(folder("kotlin"));
    tools::run(&mut maven)?;
    Ok(Kotlin {
        classes: format!("{0}/classes:{0}/libraries/*", build.display()),
        native: tools::target().join("debug"),
    })
}

/// Swift's sources, and the C header that it imports compiled.
pub fn swift() -> Result<(), String> {
    if !tools::has("clang") {
        tools::apt("clang")?;
    }
    let out = generate("swift", "stunity_ffi.swift")?;
    let mut clang = Command::new("clang");
    clang
        .args(["-fsyntax-only", "-std=c11", "-Wall", "-Wextra", "-Werror"])
        .arg("-include")
        .arg(out.join("stunity_ffiFFI.h"))
        .args(["-x", "c", "/dev/null"]);
    tools::run(&mut clang)?;
    if out.join("stunity_ffiFFI.modulemap").is_file() {
        Ok(())
    } else {
        Err("no module map was generated for swift".into())
    }
}

/// The core as Node's addon; its file.
pub fn node() -> Result<PathBuf, String> {
    typescript()?;
    let library = library("stunity-node")?;
    let addon = scripts().join("stunity.node");
    std::fs::copy(library, &addon).map_err(|error| error.to_string())?;
    Ok(addon)
}

/// Where TypeScript is bundled to; packages are found from there.
pub fn scripts() -> PathBuf {
    folder("typescript").join("build")
}

/// A program of an npm package.
fn npm(program: &str) -> Command {
    let folder = folder("typescript");
    let mut command = Command::new(folder.join("node_modules/.bin").join(program));
    command.current_dir(folder);
    command
}

/// The packages of the lock file, and the types of the interface.
fn typescript() -> Result<(), String> {
    for (program, package) in [("node", "nodejs"), ("npm", "npm")] {
        if !tools::has(program) {
            tools::apt(package)?;
        }
    }
    let folder = folder("typescript");
    tools::install_packages(&folder)?;
    for out in ["generated", "build"] {
        std::fs::create_dir_all(folder.join(out)).map_err(|error| error.to_string())?;
    }
    let api = text(&folder.join("generated/api.ts"));
    // As for `library`: only the interface itself is built again, with its types.
    tools::run(&mut tools::cargo(&[
        "build",
        "--workspace",
        "--features",
        "stunity-ffi/typescript",
        "--bin",
        "stunity-typescript",
    ]))?;
    tools::run(Command::new(tools::target().join("debug/stunity-typescript")).arg(api))
}

/// Types and lint of all TypeScript; needs what [`web`] generates.
pub fn check() -> Result<(), String> {
    tools::run(npm("tsc").arg("--noEmit"))?;
    tools::run(npm("biome").args(["ci", "--error-on-warnings", "src", "interop"]))
}

/// Bundles files of TypeScript, each to one script.
fn bundle(files: &[&str], out: &Path, options: &[&str]) -> Result<(), String> {
    let mut esbuild = npm("esbuild");
    esbuild
        .args(files)
        .args(options)
        .args(["--bundle", "--log-level=warning", "--format=esm"])
        .arg(format!("--outdir={}", out.display()));
    tools::run(&mut esbuild)
}

/// The scenario's scripts for Node.
pub fn bundle_scripts() -> Result<(), String> {
    let files = ["node", "browser", "front", "size"].map(|name| format!("interop/{name}.ts"));
    bundle(
        &files.each_ref().map(String::as_str),
        &scripts(),
        &[
            "--platform=node",
            "--external:playwright-core",
            "--out-extension:.js=.mjs",
        ],
    )
}

/// What wasm-opt may assume of a browser: what every one has had for years.
const FEATURES: &[&str] = &[
    "--enable-bulk-memory",
    "--enable-sign-ext",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-multivalue",
];

/// The core and its worker for a page, in one folder, the module within its budget.
pub fn web() -> Result<PathBuf, String> {
    typescript()?;
    tools::run(&mut wasm::cargo(&[
        "build",
        "--profile",
        "web",
        "--package",
        "stunity-wasm",
    ])?)?;
    let module = tools::target()
        .join(wasm::TARGET)
        .join("web/stunity_wasm.wasm");
    let staged = fresh(folder("typescript").join("generated/web"))?;
    tool("stage-wasm", &[&text(&module), &text(&staged)])?;
    let out = fresh(scripts().join("web"))?;
    let small = out.join("stunity.wasm");
    let mut optimise = npm("wasm-opt");
    optimise
        .args(["-Oz", "--strip-debug", "--strip-producers"])
        .args(FEATURES)
        .arg(staged.join("stunity_wasm_bg.wasm"))
        .arg("-o")
        .arg(&small);
    tools::run(&mut optimise)?;
    bundle_scripts()?;
    let mut size = Command::new("node");
    size.arg(scripts().join("size.mjs"))
        .arg(&module)
        .arg(&small);
    tools::run(&mut size)?;
    bundle(
        &["src/worker.ts", "interop/page.ts"],
        &out,
        &["--entry-names=[name]"],
    )?;
    std::fs::copy(
        folder("typescript").join("interop/index.html"),
        out.join("index.html"),
    )
    .map_err(|error| error.to_string())?;
    Ok(out)
}
