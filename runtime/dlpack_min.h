/* DLPack's DLTensor, ABI-compatible with dlpack.h 0.6 and later (https://dmlc.github.io/dlpack/latest/c_api.html).
 * A host that includes the original header first keeps its own definitions; including it after this one is an error, so
 * that header is preferred wherever it is installed. */
#ifndef FRIT_RUNTIME_DLPACK_MIN_H
#define FRIT_RUNTIME_DLPACK_MIN_H
#include <stdint.h>

#if !defined(DLPACK_DLPACK_H_) && defined(__has_include)
#if __has_include(<dlpack/dlpack.h>)
#include <dlpack/dlpack.h>
#endif
#endif

#ifndef DLPACK_DLPACK_H_
#define DLPACK_DLPACK_H_
#ifdef __cplusplus
extern "C" {
#endif
typedef int32_t DLDeviceType;
enum { kDLCPU = 1, kDLCUDA = 2, kDLCUDAHost = 3, kDLROCM = 10, kDLROCMHost = 11, kDLExtDev = 12, kDLCUDAManaged = 13 };
typedef struct {
    DLDeviceType device_type;
    int32_t device_id;
} DLDevice;

enum { kDLInt = 0, kDLUInt = 1, kDLFloat = 2, kDLOpaqueHandle = 3, kDLBfloat = 4, kDLComplex = 5, kDLBool = 6 };
typedef struct {
    uint8_t code;
    uint8_t bits; /* of one element, before lanes */
    uint16_t lanes;
} DLDataType;

/* A strided view: element (i0, i1...) is at (char *)data + byte_offset + sum(i * strides) * bits / 8. strides counts
 * elements; NULL is dense row-major. */
typedef struct {
    void *data;
    DLDevice device;
    int32_t ndim;
    DLDataType dtype;
    int64_t *shape;
    int64_t *strides;
    uint64_t byte_offset;
} DLTensor;
#ifdef __cplusplus
}
#endif
#endif
#endif
