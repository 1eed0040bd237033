// The passes between the products of an encoder block or of a language model's layer, each computed in f32 and rounded once where its numbers are stored.
// `fused.rs` has the same in plain Rust, and says what each pass computes.
//
// Compiled at run time by NVRTC, which finds no headers on a machine without a toolkit: numbers of 16 bits are converted by hand.

enum Activation { NONE = 0, QUICK_GELU = 1, GELU = 2 };

struct F32 {
    typedef float Stored;
    static __device__ float read(float x) { return x; }
    static __device__ float round(float x) { return x; }
};

struct Bf16 {
    typedef unsigned short Stored;
    static __device__ float read(unsigned short x) { return __uint_as_float((unsigned int)x << 16); }
    // To the nearest, ties to even; what is no number stays none.
    static __device__ unsigned short round(float x) {
        unsigned int bits = __float_as_uint(x);
        if ((bits & 0x7fffffffu) > 0x7f800000u) return (unsigned short)((bits >> 16) | 0x40u);
        return (unsigned short)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
    }
};

struct F16 {
    typedef unsigned short Stored;
    static __device__ float read(unsigned short x) {
        float y;
        asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x));
        return y;
    }
    static __device__ unsigned short round(float x) {
        unsigned short y;
        asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y) : "f"(x));
        return y;
    }
};

static __device__ float activated(float x, int activation) {
    if (activation == QUICK_GELU) return x / (1.0f + expf(-1.702f * x));
    if (activation == GELU) return 0.5f * x * (1.0f + erff(x * 0.70710678118654752f));
    return x;
}

// NaN where the square has overflowed: the norm of such a row would be zeros, as if it held nothing.
static __device__ float inverse_root(float square) {
    return square < __int_as_float(0x7f800000) ? 1.0f / sqrtf(square) : __int_as_float(0x7fffffff);
}

struct Sum {
    static __device__ float of(float a, float b) { return a + b; }
};

struct Larger {
    static __device__ float of(float a, float b) { return fmaxf(a, b); }
};

// Brings the numbers of all threads of a block together; every thread gets the result. `own` of threads without numbers is neutral.
template <typename Operation>
static __device__ float together(float own, float neutral) {
    __shared__ float of_warps[32];
    for (int offset = 16; offset > 0; offset /= 2) own = Operation::of(own, __shfl_xor_sync(0xffffffffu, own, offset));
    if (threadIdx.x % 32 == 0) of_warps[threadIdx.x / 32] = own;
    __syncthreads();
    unsigned int lane = threadIdx.x % 32;
    own = lane < blockDim.x / 32 ? of_warps[lane] : neutral;
    for (int offset = 16; offset > 0; offset /= 2) own = Operation::of(own, __shfl_xor_sync(0xffffffffu, own, offset));
    // The next call writes to the same place.
    __syncthreads();
    return own;
}

template <typename T>
static __device__ void finish(const typename T::Stored *product, const float *bias, typename T::Stored *out, unsigned long long count,
                              unsigned int columns, int activation) {
    unsigned long long step = (unsigned long long)gridDim.x * blockDim.x;
    for (unsigned long long n = (unsigned long long)blockIdx.x * blockDim.x + threadIdx.x; n < count; n += step)
        out[n] = T::round(activated(T::read(product[n]) + bias[n % columns], activation));
}

template <typename T>
static __device__ void add(const typename T::Stored *product, const float *bias, const float *stream, float *out, unsigned long long count,
                           unsigned int columns) {
    unsigned long long step = (unsigned long long)gridDim.x * blockDim.x;
    for (unsigned long long n = (unsigned long long)blockIdx.x * blockDim.x + threadIdx.x; n < count; n += step)
        out[n] = stream[n] + (T::read(product[n]) + bias[n % columns]);
}

// A block for each row.
template <typename T>
static __device__ void norm(const float *rows, const float *weight, const float *bias, typename T::Stored *out, unsigned int columns,
                            float eps) {
    const float *row = rows + (unsigned long long)blockIdx.x * columns;
    typename T::Stored *to = out + (unsigned long long)blockIdx.x * columns;
    float sum = 0.0f;
    for (unsigned int n = threadIdx.x; n < columns; n += blockDim.x) sum += row[n];
    float mean = together<Sum>(sum, 0.0f) / columns;
    float squares = 0.0f;
    for (unsigned int n = threadIdx.x; n < columns; n += blockDim.x) squares += (row[n] - mean) * (row[n] - mean);
    float inverse = inverse_root(together<Sum>(squares, 0.0f) / columns + eps);
    for (unsigned int n = threadIdx.x; n < columns; n += blockDim.x)
        to[n] = T::round((row[n] - mean) * inverse * weight[n] + bias[n]);
}

// A block for each row.
template <typename T>
static __device__ void shares(const float *logits, typename T::Stored *out, unsigned int columns, float scale) {
    const float *row = logits + (unsigned long long)blockIdx.x * columns;
    typename T::Stored *to = out + (unsigned long long)blockIdx.x * columns;
    float least = -__int_as_float(0x7f800000);
    float top = least;
    for (unsigned int n = threadIdx.x; n < columns; n += blockDim.x) top = fmaxf(top, row[n] * scale);
    top = together<Larger>(top, least);
    float sum = 0.0f;
    for (unsigned int n = threadIdx.x; n < columns; n += blockDim.x) sum += expf(row[n] * scale - top);
    sum = together<Sum>(sum, 0.0f);
    for (unsigned int n = threadIdx.x; n < columns; n += blockDim.x) to[n] = T::round(expf(row[n] * scale - top) / sum);
}

// A block for each row.
template <typename T>
static __device__ void rms(const typename T::Stored *rows, const float *weight, typename T::Stored *out, unsigned int columns, float eps) {
    const typename T::Stored *row = rows + (unsigned long long)blockIdx.x * columns;
    typename T::Stored *to = out + (unsigned long long)blockIdx.x * columns;
    float squares = 0.0f;
    for (unsigned int n = threadIdx.x; n < columns; n += blockDim.x) squares += T::read(row[n]) * T::read(row[n]);
    float inverse = inverse_root(together<Sum>(squares, 0.0f) / columns + eps);
    for (unsigned int n = threadIdx.x; n < columns; n += blockDim.x) to[n] = T::round(T::read(row[n]) * inverse * weight[n]);
}

// A block for each row. The norms follow `count` sums; each thread reads the sums that it has written itself.
template <typename T>
static __device__ void add_rms(const typename T::Stored *stream, const typename T::Stored *update, const float *weight,
                               typename T::Stored *out, unsigned long long count, unsigned int columns, float eps) {
    unsigned long long first = (unsigned long long)blockIdx.x * columns;
    typename T::Stored *sums = out + first;
    typename T::Stored *to = out + count + first;
    float squares = 0.0f;
    for (unsigned int n = threadIdx.x; n < columns; n += blockDim.x) {
        sums[n] = T::round(T::read(stream[first + n]) + T::read(update[first + n]));
        squares += T::read(sums[n]) * T::read(sums[n]);
    }
    float inverse = inverse_root(together<Sum>(squares, 0.0f) / columns + eps);
    for (unsigned int n = threadIdx.x; n < columns; n += blockDim.x) to[n] = T::round(T::read(sums[n]) * inverse * weight[n]);
}

template <typename T>
static __device__ void gate(const typename T::Stored *gate, const typename T::Stored *up, typename T::Stored *out,
                            unsigned long long count) {
    unsigned long long step = (unsigned long long)gridDim.x * blockDim.x;
    for (unsigned long long n = (unsigned long long)blockIdx.x * blockDim.x + threadIdx.x; n < count; n += step) {
        float x = T::read(gate[n]);
        out[n] = T::round(x / (1.0f + expf(-x)) * T::read(up[n]));
    }
}

// A block for each row. `repeat` rows have the same row of the mask; after its last of `rows` rows comes the first.
template <typename T>
static __device__ void masked(const typename T::Stored *scores, const float *mask, typename T::Stored *out, unsigned int columns,
                              float scale, unsigned int repeat, unsigned int rows) {
    const typename T::Stored *row = scores + (unsigned long long)blockIdx.x * columns;
    typename T::Stored *to = out + (unsigned long long)blockIdx.x * columns;
    const float *hidden = mask + (unsigned long long)(blockIdx.x / repeat % rows) * columns;
    float least = -__int_as_float(0x7f800000);
    float top = least;
    for (unsigned int n = threadIdx.x; n < columns; n += blockDim.x) top = fmaxf(top, T::read(row[n]) * scale + hidden[n]);
    top = together<Larger>(top, least);
    float sum = 0.0f;
    for (unsigned int n = threadIdx.x; n < columns; n += blockDim.x) sum += expf(T::read(row[n]) * scale + hidden[n] - top);
    sum = together<Sum>(sum, 0.0f);
    for (unsigned int n = threadIdx.x; n < columns; n += blockDim.x)
        to[n] = T::round(expf(T::read(row[n]) * scale + hidden[n] - top) / sum);
}

#define KERNELS(name, T)                                                                                                            \
    extern "C" __global__ void finish_##name(const T::Stored *product, const float *bias, T::Stored *out, unsigned long long count,             \
                                             unsigned int columns, int activation) {                                                \
        finish<T>(product, bias, out, count, columns, activation);                                                                  \
    }                                                                                                                               \
    extern "C" __global__ void add_##name(const T::Stored *product, const float *bias, const float *stream, float *out,             \
                                          unsigned long long count, unsigned int columns) {                                                     \
        add<T>(product, bias, stream, out, count, columns);                                                                         \
    }                                                                                                                               \
    extern "C" __global__ void norm_##name(const float *rows, const float *weight, const float *bias, T::Stored *out,               \
                                           unsigned int columns, float eps) {                                                       \
        norm<T>(rows, weight, bias, out, columns, eps);                                                                             \
    }                                                                                                                               \
    extern "C" __global__ void shares_##name(const float *logits, T::Stored *out, unsigned int columns, float scale) {              \
        shares<T>(logits, out, columns, scale);                                                                                     \
    }                                                                                                                               \
    extern "C" __global__ void rms_##name(const T::Stored *rows, const float *weight, T::Stored *out, unsigned int columns,          \
                                          float eps) {                                                                              \
        rms<T>(rows, weight, out, columns, eps);                                                                                    \
    }                                                                                                                               \
    extern "C" __global__ void add_rms_##name(const T::Stored *stream, const T::Stored *update, const float *weight,                \
                                              T::Stored *out, unsigned long long count, unsigned int columns, float eps) {          \
        add_rms<T>(stream, update, weight, out, count, columns, eps);                                                               \
    }                                                                                                                               \
    extern "C" __global__ void gate_##name(const T::Stored *from, const T::Stored *up, T::Stored *out, unsigned long long count) {  \
        gate<T>(from, up, out, count);                                                                                              \
    }                                                                                                                               \
    extern "C" __global__ void masked_##name(const T::Stored *scores, const float *mask, T::Stored *out, unsigned int columns,      \
                                             float scale, unsigned int repeat, unsigned int rows) {                                 \
        masked<T>(scores, mask, out, columns, scale, repeat, rows);                                                                 \
    }

KERNELS(f32, F32)
KERNELS(bf16, Bf16)
KERNELS(f16, F16)
