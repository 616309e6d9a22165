// The C API of frit for C++17: objects that retain and release themselves, failures as exceptions. Everything is inline;
// link libfrit (or libfrit_rt alone for what runs packages: define FRIT_HPP_RUNTIME_ONLY).
//
// Ownership, threads and lifetimes are those of <frit/frit.h> and <frit/frit_compiler.h>. Objects are cheap to copy (a
// reference each); get() gives the C handle for what is not wrapped.
#ifndef FRIT_FRIT_HPP
#define FRIT_FRIT_HPP
#include "frit.h"
#ifndef FRIT_HPP_RUNTIME_ONLY
#include "frit_compiler.h"
#endif
#include <cstdint>
#include <exception>
#include <functional>
#include <future>
#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace frit {

// A status other than FRIT_OK. what() is "FILE:LINE: MESSAGE" as far as these are known.
class error : public std::runtime_error {
public:
    explicit error(const frit_error &e) : std::runtime_error(text(e)), status_(e.status), line_(e.line) {}
    frit_status status() const noexcept { return status_; }
    std::uint32_t line() const noexcept { return line_; }

private:
    static std::string text(const frit_error &e) {
        std::string place;
        if (*e.file) place = std::string(e.file) + (e.line ? ":" + std::to_string(e.line) : "") + ": ";
        return place + e.message;
    }
    frit_status status_;
    std::uint32_t line_;
};

namespace detail {
// Calls f(args..., &err) and throws what it reports.
template <class F, class... A> void check(F f, A &&...args) {
    frit_error err{};
    if (f(std::forward<A>(args)..., &err) != FRIT_OK) throw error(err);
}

// One reference to an object of the C API.
template <class T, T *(*Retain)(T *), void (*Release)(T *)> class handle {
public:
    handle() noexcept = default;
    explicit handle(T *p) noexcept : p_(p) {} // takes the reference
    handle(const handle &o) noexcept : p_(o.p_ ? Retain(o.p_) : nullptr) {}
    handle(handle &&o) noexcept : p_(std::exchange(o.p_, nullptr)) {}
    handle &operator=(handle o) noexcept {
        std::swap(p_, o.p_);
        return *this;
    }
    ~handle() {
        if (p_) Release(p_);
    }
    T *get() const noexcept { return p_; }
    explicit operator bool() const noexcept { return p_ != nullptr; }

protected:
    T *p_ = nullptr;
};
} // namespace detail

// The dtype of a C++ type.
template <class T> struct dtype_of;
#define FRIT_HPP_DTYPE(type, code)                                                                                     \
    template <> struct dtype_of<type> {                                                                                \
        static constexpr frit_dtype value = code;                                                                      \
    };
FRIT_HPP_DTYPE(double, FRIT_f64)
FRIT_HPP_DTYPE(float, FRIT_f32)
FRIT_HPP_DTYPE(std::int64_t, FRIT_i64)
FRIT_HPP_DTYPE(std::int32_t, FRIT_i32)
FRIT_HPP_DTYPE(std::int16_t, FRIT_i16)
FRIT_HPP_DTYPE(std::int8_t, FRIT_i8)
FRIT_HPP_DTYPE(std::uint64_t, FRIT_u64)
FRIT_HPP_DTYPE(std::uint32_t, FRIT_u32)
FRIT_HPP_DTYPE(std::uint16_t, FRIT_u16)
FRIT_HPP_DTYPE(std::uint8_t, FRIT_u8)
FRIT_HPP_DTYPE(bool, FRIT_bool)
#undef FRIT_HPP_DTYPE

// A view of dense row-major memory of the caller's with its own shape; of one number, such as a host integer (`n: int`, an
// std::int64_t), the shape is {}. After a run, shape() of an output tells extents
// that depended on data.
class tensor {
public:
    template <class T>
    tensor(T *data, std::vector<std::int64_t> shape) : tensor(const_cast<std::remove_const_t<T> *>(data),
                                                              dtype_of<std::remove_const_t<T>>::value, std::move(shape)) {}
    tensor(void *data, frit_dtype type, std::vector<std::int64_t> shape) : data_(data), type_(type), shape_(std::move(shape)) {}
    const std::vector<std::int64_t> &shape() const noexcept { return shape_; }
    // Borrows this tensor's shape: valid while it lives unchanged.
    DLTensor dl() { return frit_dense(data_, type_, static_cast<int>(shape_.size()), shape_.data()); }

private:
    void *data_;
    frit_dtype type_;
    std::vector<std::int64_t> shape_;
};

class device : public detail::handle<frit_device, frit_device_retain, frit_device_release> {
public:
    explicit device(const char *target = "cpu", const frit_device_options *options = nullptr) {
        detail::check(frit_device_open, target, options, &p_);
    }
    const char *name() const noexcept { return frit_device_name(p_); }
};

class package : public detail::handle<frit_package, frit_package_retain, frit_package_release> {
public:
    using handle::handle;
    explicit package(const std::string &path) { detail::check(frit_package_open, path.c_str(), &p_); }
    const frit_package_info &info() const noexcept { return *frit_package_get_info(p_); }
};

class weights : public detail::handle<frit_weights, frit_weights_retain, frit_weights_release> {
public:
    weights(const package &p, const device &d, const frit_weights_options *options = nullptr) {
        detail::check(frit_weights_create, p.get(), d.get(), options, &p_);
    }
    void bind(const char *name, tensor t, int flags = FRIT_COPY) {
        DLTensor dl = t.dl();
        detail::check(frit_weights_bind, p_, name, &dl, flags);
    }
    void load() { detail::check(frit_weights_load, p_); }
};

class session : public detail::handle<frit_session, frit_session_retain, frit_session_release> {
public:
    explicit session(const weights &w, const frit_session_options *options = nullptr) {
        detail::check(frit_session_create, w.get(), options, &p_);
    }
    // Outputs are written where they point.
    void run(std::vector<tensor> inputs, std::vector<tensor> outputs) {
        std::vector<DLTensor> in, out;
        for (tensor &t : inputs) in.push_back(t.dl());
        for (tensor &t : outputs) out.push_back(t.dl());
        detail::check(frit_session_run, p_, in.data(), static_cast<int>(in.size()), out.data(), static_cast<int>(out.size()));
    }
    void wait() { detail::check(frit_session_wait, p_); }
    void reset() { detail::check(frit_session_reset, p_); }
};

#ifndef FRIT_HPP_RUNTIME_ONLY
class compiled : public detail::handle<frit_compiled, frit_compiled_retain, frit_compiled_release> {
public:
    using handle::handle;
    package open() const {
        frit_package *p = nullptr;
        detail::check(frit_compiled_open, p_, &p);
        return package(p);
    }
    void write(const std::string &path) const { detail::check(frit_compiled_write, p_, path.c_str()); }
    bool from_cache() const noexcept { return frit_compiled_from_cache(p_); }
};

class module : public detail::handle<frit_module, frit_module_retain, frit_module_release> {
public:
    using handle::handle;
    compiled compile(const frit_compile_options *options = nullptr) const {
        frit_compiled *c = nullptr;
        detail::check(frit_compile, p_, options, &c);
        return compiled(c);
    }
    // The same on a thread of the library's.
    std::future<compiled> compile_async(const frit_compile_options *options = nullptr) const {
        auto promise = std::make_unique<std::promise<compiled>>();
        std::future<compiled> future = promise->get_future();
        auto done = [](void *ctx, frit_compiled *result, const frit_error *err) {
            std::unique_ptr<std::promise<compiled>> p(static_cast<std::promise<compiled> *>(ctx));
            if (result)
                p->set_value(compiled(result));
            else
                p->set_exception(std::make_exception_ptr(error(*err)));
        };
        detail::check(frit_compile_background, p_, options, static_cast<void (*)(void *, frit_compiled *, const frit_error *)>(done),
                      promise.get());
        promise.release(); // now done's
        return future;
    }
};

class compiler : public detail::handle<frit_compiler, frit_compiler_retain, frit_compiler_release> {
public:
    using findings = std::function<void(const frit_diagnostic &)>;
    // `listen` is called by the threads that parse and compile, and must live as long as modules of this compiler: it is
    // kept by this object and its copies.
    explicit compiler(findings listen = {}, frit_compiler_options options = {}) {
        options.struct_size = sizeof options;
        if (listen) {
            listen_ = std::make_shared<findings>(std::move(listen));
            options.diagnose = [](void *ctx, const frit_diagnostic *d) { (*static_cast<findings *>(ctx))(*d); };
            options.diagnose_ctx = listen_.get();
        }
        detail::check(frit_compiler_create, &options, &p_);
    }
    module parse(const std::string &name, const std::string &text, const frit_module_options *options = nullptr) const {
        frit_module *m = nullptr;
        detail::check(frit_module_parse, p_, FRIT_SOURCE_FRIT, name.c_str(), text.data(), text.size(), options, &m);
        return module(m);
    }
    module open(const std::string &path, const frit_module_options *options = nullptr) const {
        frit_module *m = nullptr;
        detail::check(frit_module_open, p_, path.c_str(), options, &m);
        return module(m);
    }

private:
    std::shared_ptr<findings> listen_;
};
#endif
} // namespace frit
#endif
