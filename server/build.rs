//! Builds the signing frame and makes it part of the server.
//!
//! An inner cargo compiles `signer` to WebAssembly in a target folder of its own, `wasm-bindgen` binds it to the browser
//! (as a library of the exact version that `signer` uses, so that no tool needs to be installed), `wasm-opt` makes it
//! smaller where it is installed. What comes out is named by its content, pinned by Subresource Integrity, compressed,
//! and listed in `frame.rs` for `src/assets.rs`.

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

/// What every browser that has the APIs of the frame understands.
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
    for source in ["Cargo.toml", "Cargo.lock", "protocol/Cargo.toml", "protocol/src", "signer"] {
        println!("cargo::rerun-if-changed={}", root.join(source).display());
    }

    let compiled = compile(&root, &out)?;
    let (glue, wasm) = bind(&compiled)?;
    let wasm = Asset::new("wasm", "application/wasm", optimize(wasm, &out)?);
    // With the start in the same file, the page needs no inline script.
    let boot = format!(
        "\n__wbg_init({{ module_or_path: fetch(\"{}\", {{ integrity: \"{}\" }}) }});\n",
        wasm.path, wasm.integrity
    );
    let script = Asset::new("js", "text/javascript", (glue + &boot).into_bytes());
    let style = Asset::new("css", "text/css", fs::read(root.join("signer/frame.css"))?);

    let page = fs::read_to_string(root.join("signer/frame.html"))?
        .replace("{{css}}", &style.path)
        .replace("{{css_integrity}}", &style.integrity)
        .replace("{{js}}", &script.path)
        .replace("{{js_integrity}}", &script.integrity);
    emit(&out, &page, &[script, style, wasm])
}

/// A file that the frame's page loads.
struct Asset {
    /// Where it is on the sign origin; changes with its content.
    path: String,
    /// For Subresource Integrity.
    integrity: String,
    content_type: &'static str,
    bytes: Vec<u8>,
}

impl Asset {
    fn new(extension: &str, content_type: &'static str, bytes: Vec<u8>) -> Self {
        let name = Base64UrlUnpadded::encode_string(&Sha256::digest(&bytes)[..12]);
        let integrity = format!("sha384-{}", Base64::encode_string(&Sha384::digest(&bytes)));
        Self { path: format!("/frame-{name}.{extension}"), integrity, content_type, bytes }
    }
}

/// Compiles `signer` and reads what came out.
fn compile(root: &Path, out: &Path) -> Result<PathBuf> {
    // The outer cargo holds its target folder's lock while it waits for us, so the inner one needs another folder.
    let target = out.ancestors().find(|folder| folder.join("CACHEDIR.TAG").exists()).unwrap_or(out).join("signer");
    let mut cargo = Command::new(env::var("CARGO")?);
    cargo.current_dir(root).args(["build", "--package", "signer", "--lib", "--locked"]);
    cargo.args(["--target", TARGET, "--profile", PROFILE, "--target-dir"]).arg(&target);
    // What the outer cargo was told is not for the inner one: flags, targets, clippy.
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        let is_outer =
            name.ends_with("RUSTFLAGS") || name.starts_with("CARGO_BUILD_") || name.starts_with("CARGO_PROFILE_");
        if is_outer || matches!(&*name, "RUSTC_WORKSPACE_WRAPPER" | "CARGO_TARGET_DIR") {
            cargo.env_remove(&*name);
        }
    }
    // SHA-256 in small code; and `wasm-bindgen` must see what the module uses, so the linker does not strip that too.
    cargo.env("CARGO_ENCODED_RUSTFLAGS", "--cfg\u{1f}sha2_backend_soft=\"compact\"");
    cargo.env("CARGO_PROFILE_WASM_RELEASE_STRIP", "debuginfo");
    if !cargo.status()?.success() {
        return Err(format!("signer does not compile; is the target installed? (rustup target add {TARGET})").into());
    }
    Ok(target.join(TARGET).join(PROFILE).join("signer.wasm"))
}

/// Makes the script that loads the module, and the module that the script can load.
fn bind(compiled: &Path) -> Result<(String, Vec<u8>)> {
    let mut bindgen = Bindgen::new();
    bindgen.web(true)?.typescript(false).omit_default_module_path(true);
    bindgen.remove_name_section(true).remove_producers_section(true);
    let mut output = bindgen.input_path(compiled).generate_output()?;
    Ok((output.js().to_owned(), output.wasm_mut().emit_wasm()))
}

/// Makes the module smaller, if `wasm-opt` is there. Without it everything works, but a little more is loaded.
fn optimize(wasm: Vec<u8>, out: &Path) -> Result<Vec<u8>> {
    let (before, after) = (out.join("before.wasm"), out.join("after.wasm"));
    fs::write(&before, &wasm)?;
    let done = Command::new("wasm-opt").arg("-Oz").args(WASM_FEATURES).arg(&before).arg("-o").arg(&after).output();
    match done {
        Ok(done) if done.status.success() => Ok(fs::read(&after)?),
        Ok(done) => {
            let reason = String::from_utf8_lossy(&done.stderr).lines().next().unwrap_or_default().to_owned();
            println!("cargo::warning=the signing frame is not optimized: wasm-opt failed: {reason}");
            Ok(wasm)
        }
        Err(_) => {
            println!("cargo::warning=the signing frame is not optimized: wasm-opt (of binaryen) is not installed");
            Ok(wasm)
        }
    }
}

/// Writes the files and the Rust source that includes them.
fn emit(out: &Path, page: &str, assets: &[Asset]) -> Result<()> {
    fs::write(out.join("frame.html"), page)?;
    let mut source = String::from("pub(super) const PAGE: &str = include_str!(\"frame.html\");\n");
    writeln!(source, "#[cfg(test)]\npub(super) const PAGE_BROTLI: usize = {};", brotli(page.as_bytes())?.len())?;
    writeln!(source, "pub(super) static ASSETS: [Asset; {}] = [", assets.len())?;
    for Asset { path, content_type, bytes, .. } in assets {
        let (plain, packed) = (path.trim_start_matches('/').to_owned(), format!("{}.br", path.trim_start_matches('/')));
        fs::write(out.join(&plain), bytes)?;
        fs::write(out.join(&packed), brotli(bytes)?)?;
        writeln!(source, "    Asset {{ path: {path:?}, content_type: {content_type:?},")?;
        writeln!(source, "        bytes: include_bytes!({plain:?}), brotli: include_bytes!({packed:?}) }},")?;
    }
    source.push_str("];\n");
    Ok(fs::write(out.join("frame.rs"), source)?)
}

fn brotli(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut packed = Vec::new();
    brotli::CompressorWriter::new(&mut packed, 4096, 11, 22).write_all(bytes)?;
    Ok(packed)
}
