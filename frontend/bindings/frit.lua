-- frit from LuaJIT by its FFI. Tensors are FFI arrays of the caller's with a shape; nothing is copied but bound weights.
--
--     local frit = require "frit"
--     local model = frit.compiler():parse("twice.frit", "model twice(x: f32[N]) -> f32[N] { return x + x }")
--     local session = frit.session(frit.weights(model:compile():open(), frit.device("cpu")))
--     session:run({frit.tensor(x, {4})}, {frit.tensor(y, {4})})
--
-- Names, ownership and threads are those of <frit/frit.h> and <frit/frit_compiler.h>; failures are Lua errors whose text
-- ends with the status. Objects are released by the garbage collector. FRIT_LIBRARY_PATH names the folder of the libraries
-- where the system does not find them.
local ffi = require "ffi"

ffi.cdef [[
typedef struct { int status; uint32_t line; char file[128]; char message[512]; } frit_error;
typedef struct { int32_t device_type, device_id; } DLDevice;
typedef struct { uint8_t code, bits; uint16_t lanes; } DLDataType;
typedef struct {
    void *data; DLDevice device; int32_t ndim; DLDataType dtype; int64_t *shape, *strides; uint64_t byte_offset;
} DLTensor;
typedef struct frit_device frit_device;
typedef struct frit_package frit_package;
typedef struct frit_weights frit_weights;
typedef struct frit_session frit_session;
typedef struct frit_compiler frit_compiler;
typedef struct frit_module frit_module;
typedef struct frit_compiled frit_compiled;
typedef struct { const char *name, *value; } frit_define;
typedef struct { const char *name; int dtype, rank; const int64_t *dims; } frit_weight_type;
typedef struct {
    size_t struct_size; const char *entry; const frit_define *defines; int n_defines; bool lazy; int n_weights;
    const frit_weight_type *weights;
} frit_module_options;
typedef struct {
    size_t struct_size; const char *target; const char *const *targets; int n_targets, precision;
} frit_compile_options;

const char *frit_status_name(int s);
int frit_dtype_from_name(const char *name, size_t len);
int frit_dtype_from_dl(DLDataType t);
DLTensor frit_dense(void *data, int t, int rank, int64_t *shape);
int frit_device_open(const char *target, const void *options, frit_device **out, frit_error *err);
void frit_device_release(frit_device *d);
int frit_package_open(const char *path, frit_package **out, frit_error *err);
void frit_package_release(frit_package *p);
int frit_weights_create(frit_package *p, frit_device *d, const void *options, frit_weights **out, frit_error *err);
void frit_weights_release(frit_weights *w);
int frit_weights_bind(frit_weights *w, const char *name, const DLTensor *t, int flags, frit_error *err);
int frit_session_create(frit_weights *w, const void *options, frit_session **out, frit_error *err);
void frit_session_release(frit_session *s);
int frit_session_run(frit_session *s, const DLTensor *inputs, int n_inputs, DLTensor *outputs, int n_outputs, frit_error *err);
int frit_session_wait(frit_session *s, frit_error *err);
int frit_session_reset(frit_session *s, frit_error *err);

int frit_compiler_create(const void *options, frit_compiler **out, frit_error *err);
void frit_compiler_release(frit_compiler *c);
int frit_module_parse(frit_compiler *c, int form, const char *name, const char *text, size_t size, const void *options,
                      frit_module **out, frit_error *err);
int frit_module_open(frit_compiler *c, const char *path, const void *options, frit_module **out, frit_error *err);
void frit_module_release(frit_module *m);
int frit_compile(frit_module *m, const frit_compile_options *options, frit_compiled **out, frit_error *err);
void frit_compiled_release(frit_compiled *p);
bool frit_compiled_from_cache(const frit_compiled *p);
int frit_compiled_write(const frit_compiled *p, const char *path, frit_error *err);
int frit_compiled_open(frit_compiled *p, frit_package **out, frit_error *err);
]]

local folder = os.getenv "FRIT_LIBRARY_PATH"
local function load(name)
    return ffi.load((folder and folder .. "/" or "") .. "lib" .. name .. ".so.1", true)
end
local rt = load "frit_rt"
local compiler_library
local function comp() -- loaded when it is first wanted
    compiler_library = compiler_library or load "frit"
    return compiler_library
end

local err = ffi.new "frit_error"
local function check(status)
    if status == 0 then return end
    local place = err.file[0] ~= 0 and ffi.string(err.file) .. ":" .. err.line .. ": " or ""
    error(place .. ffi.string(err.message) .. " [" .. ffi.string(rt.frit_status_name(status)) .. "]", 3)
end

-- Calls f(..., out, err) for an object of this type.
local function make(kind, f, release, ...)
    local out = ffi.new("frit_" .. kind .. "*[1]")
    local arguments = {...}
    local n = select("#", ...)
    arguments[n + 1], arguments[n + 2] = out, err
    check(f(unpack(arguments, 1, n + 2)))
    return ffi.gc(out[0], release)
end

local frit = {}

-- A view of `data` (an FFI array) as a tensor; dtype (default f32) by its name in the language. It keeps data and shape.
function frit.tensor(data, shape, dtype)
    dtype = dtype or "f32"
    local dims = ffi.new("int64_t[?]", math.max(#shape, 1), shape)
    local code = rt.frit_dtype_from_name(dtype, #dtype)
    return {dl = rt.frit_dense(data, code, #shape, dims), data = data, dims = dims}
end

function frit.device(target) return make("device", rt.frit_device_open, rt.frit_device_release, target or "cpu", nil) end
function frit.package(path) return make("package", rt.frit_package_open, rt.frit_package_release, path) end
function frit.weights(package, device)
    return make("weights", rt.frit_weights_create, rt.frit_weights_release, package, device, nil)
end
function frit.session(weights) return make("session", rt.frit_session_create, rt.frit_session_release, weights, nil) end
function frit.compiler() return make("compiler", comp().frit_compiler_create, comp().frit_compiler_release, nil) end

local weights = {}
function weights.bind(w, name, tensor) check(rt.frit_weights_bind(w, name, tensor.dl, 0, err)) end
ffi.metatype("frit_weights", {__index = weights})

-- The tensors' views, and what keeps numbers among them alive.
local function array(tensors)
    local a, kept = ffi.new("DLTensor[?]", math.max(#tensors, 1)), {}
    for i, t in ipairs(tensors) do
        if type(t) == "number" then t = frit.tensor(ffi.new("int64_t[1]", t), {}, "i64") end
        a[i - 1], kept[i] = t.dl, t
    end
    return a, kept
end
local session = {}
-- Inputs are tensors, or numbers for host integers (`n: int`).
function session.run(s, inputs, outputs)
    local a, kept = array(inputs)
    check(rt.frit_session_run(s, a, #inputs, array(outputs), #outputs, err))
    assert(#kept == #inputs) -- until here
    check(rt.frit_session_wait(s, err))
end
function session.reset(s) check(rt.frit_session_reset(s, err)) end
ffi.metatype("frit_session", {__index = session})

-- given: nil, or a table of entry (which model of the text), defines (values of dims and consts by name) and weights (the
-- tensors that will be bound by name, whose shapes are then known to the compiler). Calls use(options).
local function with_options(given, use)
    local o, kept, n = ffi.new("frit_module_options", ffi.sizeof "frit_module_options"), {}, 0
    given = given or {}
    for _ in pairs(given.defines or {}) do o.n_defines = o.n_defines + 1 end
    for _ in pairs(given.weights or {}) do o.n_weights = o.n_weights + 1 end
    local defines, weights = ffi.new("frit_define[?]", o.n_defines + 1), ffi.new("frit_weight_type[?]", o.n_weights + 1)
    for name, value in pairs(given.defines or {}) do
        kept[#kept + 1] = tostring(value) -- texts must not be collected meanwhile
        defines[n], n = {name, kept[#kept]}, n + 1
    end
    n = 0
    for name, t in pairs(given.weights or {}) do
        weights[n], n = {name, rt.frit_dtype_from_dl(t.dl.dtype), t.dl.ndim, t.dl.shape}, n + 1
    end
    o.entry, o.defines, o.weights = given.entry, defines, weights
    return use(o)
end

local compiler = {}
function compiler.parse(c, name, text, options)
    return with_options(options, function(o)
        return make("module", comp().frit_module_parse, comp().frit_module_release, c, 0, name, text, #text, o)
    end)
end
function compiler.open(c, path, options)
    return with_options(options, function(o)
        return make("module", comp().frit_module_open, comp().frit_module_release, c, path, o)
    end)
end
ffi.metatype("frit_compiler", {__index = compiler})

local module = {}
local precisions = {f32 = 0, tf32 = 1, bf16 = 2, fast = 3}
-- target: nil (this machine), a target, or a list of them for one package; precision: f32 (nil), tf32, bf16 or fast
function module.compile(m, target, precision)
    local options = ffi.new("frit_compile_options", ffi.sizeof "frit_compile_options")
    local several = type(target) == "table" and ffi.new("const char *[?]", #target, target)
    if several then
        options.targets, options.n_targets = several, #target
    else
        options.target = target
    end
    options.precision = assert(precisions[precision or "f32"], "there is no such precision")
    return make("compiled", comp().frit_compile, comp().frit_compiled_release, m, options)
end
ffi.metatype("frit_module", {__index = module})

local compiled = {}
function compiled.open(p) return make("package", comp().frit_compiled_open, rt.frit_package_release, p) end
function compiled.write(p, path) check(comp().frit_compiled_write(p, path, err)) end
function compiled.from_cache(p) return comp().frit_compiled_from_cache(p) end
ffi.metatype("frit_compiled", {__index = compiled})

return frit
