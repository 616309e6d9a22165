// frit.h from C++, against the shared library.
#include "runtime/frit.h"
#include <cstdio>
#include <cstring>

int main() {
    frit_error err{};
    frit_device *device = nullptr;
    frit_package *package = nullptr;
    if (frit_abi_version() >> 16 != FRIT_ABI_MAJOR) return 1;
    if (frit_device_open("cpu", nullptr, &device, &err) != FRIT_OK) return 2;
    std::printf("%s\n", frit_device_name(device));
    if (frit_package_open("/nonexistent", &package, &err) != FRIT_IO || !std::strstr(err.message, "nonexistent")) return 3;
    if (std::strcmp(frit_dtype_name(frit_dtype_from_dl(frit_dltype(FRIT_bf16))), "bf16")) return 4;
    frit_device_release(device);
    return 0;
}
