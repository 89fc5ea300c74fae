//! Builds the sign origin's assets and embeds them in the server: the signing frame, and the pages for sign-in,
//! registration, recovery and confirmation.
//!
//! An inner cargo compiles `signer` to WebAssembly in a separate target folder. `wasm-bindgen` generates the JavaScript
//! bindings of its programs; it is a library of the exact version that `signer` uses, so that no tool needs to be
//! installed. `wasm-opt` shrinks the modules if it is installed. The output files have content-hashed names and
//! Subresource Integrity hashes, are compressed, and are listed in `built.rs` for `src/sign_origin/assets.rs`.

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use sha2::{Digest, Sha256, Sha384};
use wasm_bindgen_cli_support::Bindgen;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const TARGET: &str = "wasm32-unknown-unknown";
const PROFILE: &str = "wasm-release";

/// The programs of `signer`.
const FRAME: &str = "signer-frame";
const PAGES: &str = "signer-pages";
const CONFIRM: &str = "signer-confirm";

/// Each page of the sign origin: its constant in `built.rs`, its file in `signer/pages`, and the program that it runs.
const DOCUMENTS: [(&str, &str, &str); 5] = [
    ("FRAME", "frame.html", FRAME),
    ("SIGN_IN", "sign-in.html", PAGES),
    ("REGISTER", "register.html", PAGES),
    ("RECOVER", "recover.html", PAGES),
    ("CONFIRM", "confirm.html", CONFIRM),
];

/// The WebAssembly features of every browser that has the APIs of the signer.
const WASM_FEATURES: [&str; 6] = [
    "--enable-bulk-memory",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
];

fn main() -> Result<()> {
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("..").canonicalize()?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for source in [
        "Cargo.toml",
        "Cargo.lock",
        "actions/Cargo.toml",
        "actions/src",
        "protocol/Cargo.toml",
        "protocol/src",
        "public/favicon.svg",
        "signer",
    ] {
        println!("cargo::rerun-if-changed={}", root.join(source).display());
    }

    let compiled = compile(&root, &out)?;
    let style = Asset::new("pages", "css", "text/css", fs::read(root.join("signer/pages/pages.css"))?);
    let icon = Asset::new("icon", "svg", "image/svg+xml", fs::read(root.join("public/favicon.svg"))?);
    let (frame_script, frame_wasm) = program(&compiled, FRAME, "frame", &out)?;
    let (pages_script, pages_wasm) = program(&compiled, PAGES, "pages", &out)?;
    let (confirm_script, confirm_wasm) = program(&compiled, CONFIRM, "confirm", &out)?;

    let mut source = String::new();
    for (name, file, program) in DOCUMENTS {
        let script = match program {
            FRAME => &frame_script,
            CONFIRM => &confirm_script,
            _ => &pages_script,
        };
        let page = fs::read_to_string(root.join("signer/pages").join(file))?
            .replace("{{css}}", &style.path)
            .replace("{{icon}}", &icon.path)
            .replace("{{css_integrity}}", &style.integrity)
            .replace("{{js}}", &script.path)
            .replace("{{js_integrity}}", &script.integrity);
        writeln!(source, "pub(super) const {name}: &str = include_str!({file:?});")?;
        let weight = brotli(page.as_bytes())?.len();
        writeln!(source, "#[cfg(test)]\npub(super) const {name}_BROTLI: usize = {weight};")?;
        fs::write(out.join(file), page)?;
    }
    emit(&out, source, &[frame_script, frame_wasm, pages_script, pages_wasm, confirm_script, confirm_wasm, style, icon])
}

/// A file that a page loads.
struct Asset {
    /// The path on the sign origin. It contains a hash of the content.
    path: String,
    /// The Subresource Integrity hash.
    integrity: String,
    content_type: &'static str,
    bytes: Vec<u8>,
}

impl Asset {
    fn new(name: &str, extension: &str, content_type: &'static str, bytes: Vec<u8>) -> Self {
        let hash = Base64UrlUnpadded::encode_string(&Sha256::digest(&bytes)[..12]);
        let integrity = format!("sha384-{}", Base64::encode_string(&Sha384::digest(&bytes)));
        Self { path: format!("/{name}-{hash}.{extension}"), integrity, content_type, bytes }
    }
}

/// The script and the WebAssembly module of a program.
fn program(compiled: &Path, file: &str, name: &str, out: &Path) -> Result<(Asset, Asset)> {
    let (glue, wasm) = bind(&compiled.join(file).with_extension("wasm"))?;
    let wasm = Asset::new(name, "wasm", "application/wasm", optimize(wasm, out)?);
    // The start call is in the same file, so the page needs no inline script. The style sheet shows a failed start.
    let boot = format!(
        "\n__wbg_init({{ module_or_path: fetch(\"{}\", {{ integrity: \"{}\" }}) }}).catch((error) => {{\n\
         document.documentElement.dataset.failed = \"\";\nthrow error;\n}});\n",
        wasm.path, wasm.integrity
    );
    Ok((Asset::new(name, "js", "text/javascript", (glue + &boot).into_bytes()), wasm))
}

/// Compiles the programs of `signer`. Returns the output folder.
fn compile(root: &Path, out: &Path) -> Result<PathBuf> {
    // The outer cargo holds the lock of its target folder during this build, so the inner one needs another folder.
    // OUT_DIR is <target>/<profile>/build/<package>/out.
    let target = out.ancestors().nth(4).unwrap_or(out).join("signer");
    let mut cargo = Command::new(env::var("CARGO")?);
    cargo.current_dir(root).args(["build", "--package", "signer", "--bins", "--locked"]);
    cargo.args(["--target", TARGET, "--profile", PROFILE, "--target-dir"]).arg(&target);
    // The outer cargo's flags, target and clippy settings must not apply to the inner one.
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        let is_outer =
            name.ends_with("RUSTFLAGS") || name.starts_with("CARGO_BUILD_") || name.starts_with("CARGO_PROFILE_");
        if is_outer || matches!(&*name, "RUSTC_WORKSPACE_WRAPPER" | "CARGO_TARGET_DIR") {
            cargo.env_remove(&*name);
        }
    }
    // Use the small SHA-256 implementation. The linker must not strip the sections that `wasm-bindgen` reads.
    cargo.env("CARGO_ENCODED_RUSTFLAGS", "--cfg\u{1f}sha2_backend_soft=\"compact\"");
    cargo.env("CARGO_PROFILE_WASM_RELEASE_STRIP", "debuginfo");
    if !cargo.status()?.success() {
        return Err(format!("signer does not compile; is the target installed? (rustup target add {TARGET})").into());
    }
    Ok(target.join(TARGET).join(PROFILE))
}

/// Generates the script that loads the module, and the module with the script's bindings.
fn bind(compiled: &Path) -> Result<(String, Vec<u8>)> {
    let mut bindgen = Bindgen::new();
    bindgen.web(true)?.typescript(false).omit_default_module_path(true);
    bindgen.remove_name_section(true).remove_producers_section(true);
    let mut output = bindgen.input_path(compiled).generate_output()?;
    Ok((output.js().to_owned(), output.wasm_mut().emit_wasm()))
}

/// Shrinks the module with `wasm-opt`, if it is installed. Without it, the module works but is slightly larger.
fn optimize(wasm: Vec<u8>, out: &Path) -> Result<Vec<u8>> {
    let (before, after) = (out.join("before.wasm"), out.join("after.wasm"));
    fs::write(&before, &wasm)?;
    let done = Command::new("wasm-opt")
        .args(["-Oz", "--converge"])
        .args(WASM_FEATURES)
        .arg(&before)
        .arg("-o")
        .arg(&after)
        .output();
    match done {
        Ok(done) if done.status.success() => Ok(fs::read(&after)?),
        Ok(done) => {
            let reason = String::from_utf8_lossy(&done.stderr).lines().next().unwrap_or_default().to_owned();
            println!("cargo::warning=the sign origin's pages are not optimized: wasm-opt failed: {reason}");
            Ok(wasm)
        }
        Err(_) => {
            println!(
                "cargo::warning=the sign origin's pages are not optimized: wasm-opt (of binaryen) is not installed"
            );
            Ok(wasm)
        }
    }
}

/// Writes the files and the Rust source that includes them.
fn emit(out: &Path, mut source: String, assets: &[Asset]) -> Result<()> {
    writeln!(source, "pub(super) static ASSETS: [Asset; {}] = [", assets.len())?;
    for Asset { path, content_type, bytes, .. } in assets {
        let (plain, packed) = (path.trim_start_matches('/').to_owned(), format!("{}.br", path.trim_start_matches('/')));
        fs::write(out.join(&plain), bytes)?;
        fs::write(out.join(&packed), brotli(bytes)?)?;
        writeln!(source, "    Asset {{ path: {path:?}, content_type: {content_type:?},")?;
        writeln!(source, "        bytes: include_bytes!({plain:?}), brotli: include_bytes!({packed:?}) }},")?;
    }
    source.push_str("];\n");
    Ok(fs::write(out.join("built.rs"), source)?)
}

fn brotli(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut packed = Vec::new();
    brotli::CompressorWriter::new(&mut packed, 4096, 11, 22).write_all(bytes)?;
    Ok(packed)
}
