"""frit from Python by ctypes: standard library only. Tensors are any object with the buffer protocol (bytearray,
array.array, memoryview, NumPy arrays...), whatever its strides; nothing is copied. Inputs may be Python integers and
booleans too: host integers (`n: int`), scalars of i64 and bool.

    import frit
    model = frit.Compiler().parse("twice.frit", "model twice(x: f32[N]) -> f32[N] { return x + x }")
    session = frit.Session(frit.Weights(model.compile().open(), frit.Device("cpu")))
    session.run([x], [y])

The names, ownership and threads are those of <frit/frit.h> and <frit/frit_compiler.h>. The libraries are looked for in
$FRIT_LIBRARY_PATH, beside the prefix that this file is installed under, and where the system looks.
"""
import array
import ctypes
import math
import os
import pathlib
from ctypes import POINTER, Structure, byref, c_bool, c_char, c_char_p, c_int, c_int32, c_int64, c_size_t, c_uint8, \
    c_uint16, c_uint32, c_uint64, c_void_p

DTYPES = "f64 f32 f16 bf16 f8e4m3 f8e5m2 i64 i32 i16 i8 u64 u32 u16 u8 i4 u4 bool".split()
FORMATS = {"d": "f64", "f": "f32", "e": "f16", "?": "bool", "B": "u8", "b": "i8", "H": "u16", "h": "i16", "I": "u32",
           "i": "i32", "Q": "u64", "q": "i64", "L": "u64", "l": "i64"}  # of the buffer protocol


def _load(name):
    folders = [os.environ.get("FRIT_LIBRARY_PATH"), *map(str, pathlib.Path(__file__).resolve().parents)]
    for folder in filter(None, folders):
        for place in (folder, os.path.join(folder, "lib")):
            for path in sorted(pathlib.Path(place).glob(f"{name}.so.1")) + sorted(pathlib.Path(place).glob(f"*/{name}.so.1")):
                return ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
    return ctypes.CDLL(f"{name}.so.1", mode=ctypes.RTLD_GLOBAL)


_rt = _load("libfrit_rt")
_compiler = None


def _frit():
    """The compiler's library, loaded when it is first wanted."""
    global _compiler
    _compiler = _compiler or _load("libfrit")
    return _compiler


# ---- Structs of the C API ----
class _Error(Structure):
    _fields_ = [("status", c_int), ("line", c_uint32), ("file", c_char * 128), ("message", c_char * 512)]


class _Tensor(Structure):  # DLTensor
    _fields_ = [("data", c_void_p), ("device_type", c_int32), ("device_id", c_int32), ("ndim", c_int32), ("code", c_uint8),
                ("bits", c_uint8), ("lanes", c_uint16), ("shape", POINTER(c_int64)), ("strides", POINTER(c_int64)),
                ("byte_offset", c_uint64)]


class _DlType(Structure):
    _fields_ = [("code", c_uint8), ("bits", c_uint8), ("lanes", c_uint16)]


class _Diagnostic(Structure):
    _fields_ = [("severity", c_int), ("code", c_char_p), ("file", c_char_p), ("line", c_int), ("column", c_int),
                ("message", c_char_p), ("suggestion", c_char_p)]


_DIAGNOSE = ctypes.CFUNCTYPE(None, c_void_p, POINTER(_Diagnostic))


class _CompilerOptions(Structure):
    _fields_ = [("struct_size", c_size_t), ("cache", c_int), ("cache_dir", c_char_p), ("cache_limit", c_uint64),
                ("workers", c_int), ("diagnose", _DIAGNOSE), ("diagnose_ctx", c_void_p)]


class _CompileOptions(Structure):
    _fields_ = [("struct_size", c_size_t), ("target", c_char_p), ("targets", POINTER(c_char_p)), ("n_targets", c_int),
                ("precision", c_int)]


class _Define(Structure):
    _fields_ = [("name", c_char_p), ("value", c_char_p)]


class _WeightType(Structure):
    _fields_ = [("name", c_char_p), ("dtype", c_int), ("rank", c_int), ("dims", POINTER(c_int64))]


class _ModuleOptions(Structure):
    _fields_ = [("struct_size", c_size_t), ("entry", c_char_p), ("defines", POINTER(_Define)), ("n_defines", c_int),
                ("lazy", c_bool), ("n_weights", c_int), ("weights", POINTER(_WeightType))]


class _Buffer(Structure):  # Py_buffer
    _fields_ = [("buf", c_void_p), ("obj", c_void_p), ("len", ctypes.c_ssize_t), ("itemsize", ctypes.c_ssize_t),
                ("readonly", c_int), ("ndim", c_int), ("format", c_char_p), ("shape", POINTER(ctypes.c_ssize_t)),
                ("strides", POINTER(ctypes.c_ssize_t)), ("suboffsets", c_void_p), ("internal", c_void_p)]


_GET_BUFFER = ctypes.pythonapi.PyObject_GetBuffer
_GET_BUFFER.argtypes = [ctypes.py_object, POINTER(_Buffer), c_int]
_RELEASE_BUFFER = ctypes.pythonapi.PyBuffer_Release
_RELEASE_BUFFER.argtypes = [POINTER(_Buffer)]
_rt.frit_dltype.restype = _DlType


# ---- Failures ----
class Error(Exception):
    """status is the name of the C status ("BAD_MODEL"...); file and line say where, as far as that is known."""

    def __init__(self, err):
        self.status = ctypes.cast(_rt.frit_status_name(err.status), c_char_p).value.decode()
        self.file, self.line = err.file.decode(), err.line
        place = f"{self.file}:{self.line}: " if self.file else ""
        super().__init__(f"{place}{err.message.decode(errors='replace')} [{self.status}]")


_rt.frit_status_name.restype = c_void_p


def _check(function, *arguments):
    err = _Error()
    function.restype = c_int
    if function(*arguments, byref(err)):
        raise Error(err)


# ---- Tensors ----
class _View:
    """A DLTensor over an object's buffer, which is held until the view goes."""

    def __init__(self, obj, dtype=None, writable=False):
        self.buffer = _Buffer()
        flags = 0x18 | 0x4 | writable  # PyBUF_STRIDES, PyBUF_FORMAT, PyBUF_WRITABLE
        _GET_BUFFER(obj, byref(self.buffer), flags)
        n, b = self.buffer.ndim, self.buffer
        name = dtype or FORMATS.get((b.format or b"B").decode().lstrip("@="))
        if name not in DTYPES:
            _RELEASE_BUFFER(byref(b))
            raise TypeError(f"a buffer of format {b.format!r} has no dtype: name one")
        self.dtype = DTYPES.index(name)
        t = _rt.frit_dltype(self.dtype)
        self.shape = (c_int64 * max(n, 1))(*b.shape[:n])
        self.strides = (c_int64 * max(n, 1))(*(s // b.itemsize for s in b.strides[:n]))
        self.dl = _Tensor(b.buf, 1, 0, n, t.code, t.bits, t.lanes, self.shape, self.strides, 0)

    def __del__(self):
        if self.buffer.obj:
            _RELEASE_BUFFER(byref(self.buffer))


class Tensor:
    """A buffer with another shape or dtype than its own: Tensor(array.array("f", ...), [2, 3])."""

    def __init__(self, data, shape=None, dtype=None):
        self.data, self.dtype = data, dtype
        if shape is not None:
            raw = memoryview(data).cast("B")
            item = memoryview(data).format
            self.data = raw.cast(item, shape) if math.prod(shape) else raw


def _view(t, writable):
    if isinstance(t, bool) and not writable:
        t = Tensor(bytes([t]), [], "bool")
    elif isinstance(t, int) and not writable:
        t = Tensor(array.array("q", [t]), [])
    return _View(t.data, t.dtype, writable) if isinstance(t, Tensor) else _View(t, None, writable)


def _views(tensors, writable):
    return [_view(t, writable) for t in tensors]


# ---- Objects ----
class _Object:
    """One reference to an object of the C API."""
    _library = staticmethod(lambda: _rt)

    def __init__(self, handle):
        self._handle = handle

    def __del__(self):
        handle, self._handle = getattr(self, "_handle", None), None
        if handle:
            getattr(self._library(), f"frit_{type(self).__name__.lower()}_release")(handle)


def _make(function, *arguments):
    out = c_void_p()
    _check(function, *arguments, byref(out))
    return out


class Device(_Object):
    def __init__(self, target="cpu"):
        super().__init__(_make(_rt.frit_device_open, target.encode(), None))


class Package(_Object):
    @classmethod
    def open(cls, path):
        return cls(_make(_rt.frit_package_open, os.fsencode(path)))


class Weights(_Object):
    def __init__(self, package, device):
        super().__init__(_make(_rt.frit_weights_create, package._handle, device._handle, None))

    def bind(self, name, tensor):
        """The data is copied."""
        [view] = _views([tensor], False)
        _check(_rt.frit_weights_bind, self._handle, name.encode(), byref(view.dl), 0)

    def load(self):
        _check(_rt.frit_weights_load, self._handle)


class Session(_Object):
    """Used by one thread at a time."""

    def __init__(self, weights):
        super().__init__(_make(_rt.frit_session_create, weights._handle, None))

    def run(self, inputs, outputs):
        """Writes into the outputs. The interpreter's lock is not held meanwhile."""
        given, taken = _views(inputs, False), _views(outputs, True)
        a = (_Tensor * max(len(given), 1))(*(v.dl for v in given))
        b = (_Tensor * max(len(taken), 1))(*(v.dl for v in taken))
        _check(_rt.frit_session_run, self._handle, a, len(given), b, len(taken))
        _check(_rt.frit_session_wait, self._handle)

    def reset(self):
        _check(_rt.frit_session_reset, self._handle)


class _CompilerObject(_Object):
    _library = staticmethod(_frit)


def _module_options(entry=None, defines=None, weights=None):
    names, views = list(weights or {}), _views((weights or {}).values(), False)
    types = [_WeightType(n.encode(), v.dtype, v.dl.ndim, v.shape) for n, v in zip(names, views)]
    values = [_Define(n.encode(), str(v).encode()) for n, v in (defines or {}).items()]
    return _ModuleOptions(ctypes.sizeof(_ModuleOptions), entry.encode() if entry else None, (_Define * len(values))(*values),
                          len(values), False, len(types), (_WeightType * len(types))(*types))


class Compiler(_CompilerObject):
    """diagnose(severity, code, file, line, column, message, suggestion) is called for every finding, by the thread that
    parses or compiles."""

    def __init__(self, diagnose=None, cache_dir=None):
        def call(_, d):
            d = d.contents
            texts = [(x or b"").decode(errors="replace") for x in (d.code, d.file, d.message, d.suggestion)]
            diagnose(("error", "warning", "note")[d.severity], texts[0], texts[1], d.line, d.column, texts[2], texts[3])
        self._diagnose = _DIAGNOSE(call) if diagnose else _DIAGNOSE()
        options = _CompilerOptions(ctypes.sizeof(_CompilerOptions), 0, os.fsencode(cache_dir) if cache_dir else None, 0, 0,
                                   self._diagnose, None)
        super().__init__(_make(_frit().frit_compiler_create, byref(options)))

    def parse(self, name, text, **options):
        """entry: which model of the text; defines: a dict of dims and consts; weights: a dict of the tensors that will be
        bound, whose shapes are then known to the compiler."""
        data, o = text.encode(), _module_options(**options)
        return Module(_make(_frit().frit_module_parse, self._handle, 0, name.encode(), data, c_size_t(len(data)), byref(o)), self)

    def open(self, path, **options):
        """The same from a file."""
        o = _module_options(**options)
        return Module(_make(_frit().frit_module_open, self._handle, os.fsencode(path), byref(o)), self)


class Builder(_CompilerObject):
    """A model by calls: values are numbers, as in the C API. The first mistake is reported by finish."""

    def __init__(self, compiler, name):
        super().__init__(_make(_frit().frit_builder_create, compiler._handle, name.encode()))
        self._compiler = compiler

    def _value(self, function, *arguments):
        function = getattr(_frit(), function)
        function.restype = c_int
        return function(self._handle, *(a.encode() if isinstance(a, str) else a for a in arguments))

    def input(self, name, type):
        return self._value("frit_builder_input", name, type)

    def param(self, name, type):
        return self._value("frit_builder_param", name, type)

    def state(self, name, type, init="0"):
        return self._value("frit_builder_state", name, type, init)

    def where(self, condition):
        _frit().frit_builder_where(self._handle, condition.encode())

    def call(self, fn, *args, named=None):
        """fn: a function's name or an operator; named: further arguments as text, "axis = -1"."""
        return self._value("frit_builder_call", fn, (c_int * len(args))(*args), len(args), named)

    def expression(self, text, *args):
        """text: an expression of the language, in which $0, $1... stand for args."""
        return self._value("frit_builder_expression", text, (c_int * len(args))(*args), len(args))

    def update(self, state, value, subscript=None, *args):
        _frit().frit_builder_update(self._handle, state, subscript.encode() if subscript else None, (c_int * len(args))(*args),
                                    len(args), value)

    def output(self, value, name=None, type=None):
        _frit().frit_builder_output(self._handle, value, name.encode() if name else None, type.encode() if type else None)

    def finish(self):
        return Module(_make(_frit().frit_builder_finish, self._handle), self._compiler)


class Module(_CompilerObject):
    def __init__(self, handle, compiler):
        super().__init__(handle)
        self._compiler = compiler  # its callback is Python's to keep

    def compile(self, target=None, precision="f32"):
        """target: None (this machine), a target, or several for one package. precision: f32, tf32, bf16 or fast."""
        several = [] if target is None or isinstance(target, str) else [t.encode() for t in target]
        options = _CompileOptions(ctypes.sizeof(_CompileOptions), target.encode() if isinstance(target, str) else None,
                                  (c_char_p * len(several))(*several) if several else None, len(several),
                                  ("f32", "tf32", "bf16", "fast").index(precision))
        return Compiled(_make(_frit().frit_compile, self._handle, byref(options)))


class Compiled(_CompilerObject):
    @property
    def from_cache(self):
        function = _frit().frit_compiled_from_cache
        function.restype = c_bool
        return function(self._handle)

    def write(self, path):
        _check(_frit().frit_compiled_write, self._handle, os.fsencode(path))

    def open(self):
        return Package(_make(_frit().frit_compiled_open, self._handle))
