//! Torch pickles: read as data, never run. The archives are written here byte by byte.

use crate::fixtures::{base, mini8, root};
use merging::{Adapter, AdapterError, Matrix};
use std::{error::Error, fs, io::Write, path::Path};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// A pickle under construction (protocol 2).
#[derive(Default)]
pub(crate) struct Pickle(pub(crate) Vec<u8>);

impl Pickle {
    pub(crate) fn op(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    pub(crate) fn global(self, module: &str, name: &str) -> Self {
        self.op(format!("c{module}\n{name}\n").as_bytes())
    }

    pub(crate) fn text(self, text: &str) -> Self {
        let length = u32::try_from(text.len()).unwrap();
        self.op(b"X").op(&length.to_le_bytes()).op(text.as_bytes())
    }

    pub(crate) fn int(self, value: usize) -> Self {
        self.op(b"J").op(&i32::try_from(value).unwrap().to_le_bytes())
    }

    /// A tensor `[rows, cols]` that fills its storage, in the order of rows.
    pub(crate) fn tensor(self, key: &str, rows: usize, cols: usize) -> Self {
        self.view(key, [rows, cols], [cols, 1], false)
    }

    /// `torch._utils._rebuild_tensor_v2(storage, 0, size, stride, False, OrderedDict())`; a storage of the old form
    /// ends with what it is a view of.
    pub(crate) fn view(self, key: &str, size: [usize; 2], stride: [usize; 2], is_old: bool) -> Self {
        self.global("torch._utils", "_rebuild_tensor_v2")
            .op(b"((")
            .text("storage")
            .global("torch", "FloatStorage")
            .text(key)
            .text("cpu")
            .int(size[0] * size[1])
            .op(if is_old { b"N" } else { b"" })
            .op(b"tQ")
            .int(0)
            .int(size[0])
            .int(size[1])
            .op(b"\x86")
            .int(stride[0])
            .int(stride[1])
            .op(b"\x86\x89")
            .global("collections", "OrderedDict")
            .op(b")RtR")
    }
}

pub(crate) fn archive(path: &Path, pickle: &[u8], storages: &[Vec<u8>]) {
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

/// How the state dict of an adapter of mini8 is laid out in the file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Form {
    /// What stands before and behind the state dict.
    around: [&'static [u8]; 2],
    /// As torch wrote files before 1.6.
    is_old: bool,
    /// The tensors are views of storages that hold their transposes.
    is_strided: bool,
}

/// Writes the adapter `mnist` of mini8 in that form.
fn write(path: &Path, form: Form) {
    let mut pickle =
        Pickle::default().op(b"\x80\x02").op(form.around[0]).global("collections", "OrderedDict").op(b")R(");
    let mut storages = Vec::new();
    for module in mini8("adapters", "mnist").modules.values() {
        for (factor, matrix) in [("lora_A", &module.lora_a), ("lora_B", &module.lora_b)] {
            let name = format!("base_model.model.{}.{factor}.weight", module.source);
            let key = storages.len().to_string();
            let stride = if form.is_strided { [1, matrix.rows()] } else { [matrix.cols(), 1] };
            pickle = pickle.text(&name).view(&key, [matrix.rows(), matrix.cols()], stride, form.is_old);
            storages.push(if form.is_strided { bytes(&matrix.transposed()) } else { bytes(matrix) });
        }
    }
    let pickle = pickle.op(b"u").op(form.around[1]).op(b".").0;
    if form.is_old {
        fs::write(path, old_file(&pickle, &storages)).unwrap();
    } else {
        archive(path, &pickle, &storages);
    }
}

/// A file of torch before 1.6: magic number, protocol, machine, object, names of storages, storages.
fn old_file(pickle: &[u8], storages: &[Vec<u8>]) -> Vec<u8> {
    let magic = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.";
    let machine = Pickle::default().op(b"\x80\x02}(").text("protocol_version").op(b"M\xe9\x03");
    let machine = machine.text("little_endian").op(b"\x88u.").0;
    let mut names = Pickle::default().op(b"\x80\x02](");
    for index in 0..storages.len() {
        names = names.text(&index.to_string());
    }
    let mut file = [&magic[..], &machine, pickle, &names.op(b"e.").0].concat();
    for storage in storages {
        file.extend((storage.len() as u64 / 4).to_le_bytes());
        file.extend(storage);
    }
    file
}

#[test]
fn every_form_of_a_pickled_adapter_equals_its_safetensors() {
    let one_down: [&[u8]; 2] = [b"}(X\x0a\x00\x00\x00state_dictX\x05\x00\x00\x00epochK\x03\x8c\x05model", b"u"];
    let beside: [&[u8]; 2] = [b"}(X\x05\x00\x00\x00epochK\x03X\x05\x00\x00\x00model", b"u"];
    let two_down: [&[u8]; 2] = [b"}(X\x06\x00\x00\x00module}(X\x05\x00\x00\x00model", b"uu"];
    let framed: [&[u8]; 2] = [b"\x95\x00\x00\x00\x00\x00\x00\x00\x00", b"\x94"];
    let forms = [
        // torch 1.6 and later, `trainer` checkpoints with the state dict one or two levels down, pickle protocol 4.
        Form::default(),
        Form { around: beside, ..Form::default() },
        Form { around: two_down, ..Form::default() },
        Form { around: framed, ..Form::default() },
        // Views that were saved as they were: `weight.t()`.
        Form { is_strided: true, ..Form::default() },
        // torch before 1.6, and `_use_new_zipfile_serialization=False`.
        Form { is_old: true, ..Form::default() },
        Form { is_old: true, is_strided: true, around: beside },
    ];
    let expected = mini8("adapters", "mnist");
    for form in forms {
        let folder = folder();
        write(&folder.path().join("adapter_model.bin"), form);
        assert_eq!(read(folder.path()).unwrap(), expected, "{form:?}");
    }
    let folder = folder();
    write(&folder.path().join("adapter_model.bin"), Form { around: one_down, ..Form::default() });
    assert!(read(folder.path()).is_err(), "a dict with an odd number of values");
}

#[test]
fn what_is_not_read_is_named_without_being_called_damaged() {
    let folder = folder();
    let path = folder.path().join("adapter_model.bin");
    let why = |pickle: &[u8], storages: &[Vec<u8>]| {
        archive(&path, pickle, storages);
        let error = read(folder.path()).unwrap_err();
        assert!(error.to_string().ends_with("adapter_model.bin` are not read"), "{error}");
        error.source().unwrap().to_string()
    };
    let sparse = Pickle::default().op(b"\x80\x02}(").text("w").global("torch._utils", "_rebuild_sparse_tensor");
    assert_eq!(
        why(&sparse.op(b")Ru.").0, &[]),
        "`w` is made by `torch._utils._rebuild_sparse_tensor`, which is not read"
    );
    let none = "it holds no state dict";
    assert_eq!(why(&Pickle::default().op(b"\x80\x02").text("no dict").op(b".").0, &[]), none);
    assert_eq!(why(&Pickle::default().op(b"\x80\x02}(").text("w").int(3).op(b"u.").0, &[]), none);
    let mixed = Pickle::default().op(b"\x80\x02}(").text("w").tensor("0", 1, 1).text("epoch").int(3).op(b"u.").0;
    assert_eq!(why(&mixed, &[vec![0; 4]]), "`epoch` in it is no tensor; save the state dict alone");
    let two = Pickle::default().op(b"\x80\x02}(").text("a").op(b"}(").text("w").tensor("0", 1, 1).op(b"u").text("b");
    let two = two.op(b"}(").text("w").tensor("0", 1, 1).op(b"uu.").0;
    let expected = "it holds several dicts of tensors, `a` and `b`; save the adapter's or the model's alone";
    assert_eq!(why(&two, &[vec![0; 4]]), expected);
}

#[test]
fn a_file_under_the_name_of_another_form_is_called_what_it_is() {
    let whole = folder();
    let other = folder();
    let source = root().join("examples/mini8/adapters/mnist/adapter_model.safetensors");
    fs::copy(source, whole.path().join("adapter_model.bin")).unwrap();
    write(&other.path().join("adapter_model.safetensors"), Form::default());
    for (folder, form) in [(whole, "it is a safetensors file"), (other, "it is a file of `torch.save`")] {
        let error = read(folder.path()).unwrap_err();
        assert!(error.to_string().ends_with("are not read"), "{error}");
        assert!(error.source().unwrap().to_string().starts_with(form), "{error:?}");
    }
}

#[test]
fn small_files_with_large_claims_are_refused_at_once() {
    let folder = folder();
    let path = folder.path().join("adapter_model.bin");
    let refused = |pickle: &[u8]| {
        archive(&path, pickle, &[vec![0; 12]]);
        let message = read(folder.path()).unwrap_err().to_string();
        assert!(message.ends_with("are truncated or corrupt") || message.ends_with("are not read"), "{message}");
    };
    // A memo that doubles forty times, a tuple in a tuple in a tuple, more elements than the storage has.
    let doubled = (0..40u8).fold(Pickle::default().op(b"\x80\x02]"), |pickle, at| {
        pickle.op(b"q").op(&[at]).op(b"h").op(&[at]).op(b"\x86")
    });
    refused(&doubled.op(b".").0);
    refused(&[&b"\x80\x02N"[..], &[0x85; 1_000_000], b"."].concat());
    refused(&[&b"\x80\x02"[..], &[b'('; 1_000_000], &[b't'; 999_999], b"."].concat());
    refused(&Pickle::default().op(b"\x80\x02}(").text("w").tensor("0", 1 << 14, 1 << 14).op(b"u.").0);
    refused(&Pickle::default().op(b"\x80\x02}(").text("w").view("0", [2, 2], [1 << 30, 1], false).op(b"u.").0);
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
