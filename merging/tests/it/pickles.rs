//! Torch pickles: read as data, never run. The archives are written here byte by byte.

use crate::fixtures::{base, mini8, root};
use merging::{Adapter, AdapterError, Matrix};
use std::{fs, io::Write, path::Path};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// A pickle under construction (protocol 2).
#[derive(Default)]
struct Pickle(Vec<u8>);

impl Pickle {
    fn op(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    fn global(self, module: &str, name: &str) -> Self {
        self.op(format!("c{module}\n{name}\n").as_bytes())
    }

    fn text(self, text: &str) -> Self {
        let length = u32::try_from(text.len()).unwrap();
        self.op(b"X").op(&length.to_le_bytes()).op(text.as_bytes())
    }

    fn int(self, value: usize) -> Self {
        self.op(b"J").op(&i32::try_from(value).unwrap().to_le_bytes())
    }

    /// `torch._utils._rebuild_tensor_v2(storage, 0, size, stride, False, OrderedDict())`
    fn tensor(self, key: &str, rows: usize, cols: usize) -> Self {
        self.global("torch._utils", "_rebuild_tensor_v2")
            .op(b"((")
            .text("storage")
            .global("torch", "FloatStorage")
            .text(key)
            .text("cpu")
            .int(rows * cols)
            .op(b"tQ")
            .int(0)
            .int(rows)
            .int(cols)
            .op(b"\x86")
            .int(cols)
            .int(1)
            .op(b"\x86\x89")
            .global("collections", "OrderedDict")
            .op(b")RtR")
    }
}

fn archive(path: &Path, pickle: &[u8], storages: &[Vec<u8>]) {
    let mut zip = ZipWriter::new(fs::File::create(path).unwrap());
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut put = |name: String, bytes: &[u8]| {
        zip.start_file(name, options).unwrap();
        zip.write_all(bytes).unwrap();
    };
    put("adapter_model/data.pkl".to_owned(), pickle);
    for (index, storage) in storages.iter().enumerate() {
        put(format!("adapter_model/data/{index}"), storage);
    }
    zip.finish().unwrap();
}

fn bytes(matrix: &Matrix) -> Vec<u8> {
    matrix.data().iter().flat_map(|entry| entry.to_le_bytes()).collect()
}

/// A folder with mini8's configuration and room for a `.bin`.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let config = root().join("examples/mini8/adapters/mnist/adapter_config.json");
    fs::copy(config, folder.path().join("adapter_config.json")).unwrap();
    folder
}

fn read(folder: &Path) -> Result<Adapter, AdapterError> {
    Adapter::read("mnist", folder, &base())
}

#[test]
fn a_pickled_adapter_equals_its_safetensors() {
    let expected = mini8("adapters", "mnist");
    let mut pickle = Pickle::default().op(b"\x80\x02").global("collections", "OrderedDict").op(b")R(");
    let mut storages = Vec::new();
    for module in expected.modules.values() {
        for (factor, matrix) in [("lora_A", &module.lora_a), ("lora_B", &module.lora_b)] {
            let name = format!("base_model.model.{}.{factor}.weight", module.source);
            pickle = pickle.text(&name).tensor(&storages.len().to_string(), matrix.rows(), matrix.cols());
            storages.push(bytes(matrix));
        }
    }
    let folder = folder();
    archive(&folder.path().join("adapter_model.bin"), &pickle.op(b"u.").0, &storages);
    assert_eq!(read(folder.path()).unwrap(), expected);
}

#[test]
fn a_pickle_with_code_in_it_is_refused_and_not_run() {
    let folder = folder();
    let proof = folder.path().join("executed");
    let command = format!("touch {}", proof.display());
    let call = Pickle::default().global("posix", "system").op(b"(").text(&command).op(b"tR").0;
    let alone = Pickle::default().op(b"\x80\x02").op(&call).op(b".").0;
    let as_value = Pickle::default().op(b"\x80\x02}(").text("weight").op(&call).op(b"u.").0;
    let as_key = Pickle::default().op(b"\x80\x02}(").op(&call).text("weight").op(b"u.").0;
    let in_state =
        Pickle::default().op(b"\x80\x02").global("collections", "OrderedDict").op(b")R}(").text("x").op(&call);
    for pickle in [alone, as_value, as_key, in_state.op(b"ub.").0] {
        archive(&folder.path().join("adapter_model.bin"), &pickle, &[]);
        let message = read(folder.path()).unwrap_err().to_string();
        let expected =
            "adapter_model.bin` calls `posix.system`, which loading weights does not need; nothing was executed";
        assert!(message.ends_with(expected), "{message}");
        assert!(!proof.exists());
    }
}

#[test]
fn malformed_pickles_are_errors() {
    let folder = folder();
    let path = folder.path().join("adapter_model.bin");
    let short = Pickle::default().op(b"\x80\x02}(").text("w").global("torch._utils", "_rebuild_tensor_v2");
    let cases = [
        (Vec::new(), "ends at once"),
        (b"\x80\x02.".to_vec(), "nothing on the stack"),
        (b"\x80\x02}(X\xff\xff\xff\x00a".to_vec(), "a text longer than the file"),
        (short.op(b")Ru.").0, "a tensor without arguments"),
        (b"\x80\x02\x8a\xffaaaa".to_vec(), "an integer of 255 bytes"),
        (Pickle::default().op(b"\x80\x02").text("no dict").op(b".").0, "no state dict"),
        (Pickle::default().op(b"\x80\x02}(").text("w").int(3).op(b"u.").0, "a number where a tensor should be"),
    ];
    for (pickle, what) in cases {
        archive(&path, &pickle, &[]);
        let message = read(folder.path()).unwrap_err().to_string();
        assert!(message.ends_with("adapter_model.bin` are truncated or corrupt"), "{what}: {message}");
    }
    fs::write(&path, b"\x80\x02not an archive").unwrap();
    assert!(read(folder.path()).unwrap_err().to_string().ends_with("are truncated or corrupt"));
}

#[test]
fn a_storage_shorter_than_its_tensor_is_an_error() {
    let folder = folder();
    let name = "base_model.model.encoder.layers.0.self_attn.q_proj.lora_A.weight";
    let pickle = Pickle::default().op(b"\x80\x02}(").text(name).tensor("0", 16, 192).op(b"u.").0;
    archive(&folder.path().join("adapter_model.bin"), &pickle, &[vec![0; 100]]);
    assert!(read(folder.path()).unwrap_err().to_string().ends_with("are truncated or corrupt"));
}
