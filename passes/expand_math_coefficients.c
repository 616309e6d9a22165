/* Written by tests/codegen/fit_math.py; lowest degree first. */
#include "expand_math_internal.h"

/* e^r = 1 + r + r^2 P(r), |r| <= ln 2 */
const math_poly math_exp = {
    .n32 = 6,
    .c32 = {
        0x1.00000c0000000p-1, 0x1.5555120000000p-3, 0x1.5549e00000000p-5, 0x1.11273e0000000p-7,
        0x1.71c37e0000000p-10, 0x1.9ba1800000000p-13,
    },
    .n64 = 12,
    .c64 = {
        0x1.ffffffffffff3p-2, 0x1.55555555555b7p-3, 0x1.555555555694ep-5, 0x1.11111111081bdp-7,
        0x1.6c16c169bfc3fp-10, 0x1.a01a01b2475e9p-13, 0x1.a01a0582604e0p-16, 0x1.71de29f53e246p-19,
        0x1.27e1c9cfadb37p-22, 0x1.ae713aa4ae97fp-26, 0x1.217aab8793c81p-29, 0x1.5e6b4f6abbf62p-33,
    },
};

/* 2^r = 1 + r P(r), |r| <= 1 */
const math_poly math_exp2 = {
    .n32 = 7,
    .c32 = {
        0x1.62e4320000000p-1, 0x1.ebfbf80000000p-3, 0x1.c6afa00000000p-5, 0x1.3b1fea0000000p-7,
        0x1.5dbdac0000000p-10, 0x1.481c880000000p-13, 0x1.f4d36c0000000p-17,
    },
    .n64 = 13,
    .c64 = {
        0x1.62e42fefa39efp-1, 0x1.ebfbdff82c580p-3, 0x1.c6b08d704a174p-5, 0x1.3b2ab6fba6284p-7,
        0x1.5d87fe789903cp-10, 0x1.430912f63ec4fp-13, 0x1.ffcbfc7128e54p-17, 0x1.62c025a21f9f1p-20,
        0x1.b5252893249ffp-24, 0x1.e4ca012fe000dp-28, 0x1.e8da2135a1fe9p-32, 0x1.c7c8364122e78p-36,
        0x1.7e43a8c8adbe4p-40,
    },
};

/* e^r - 1 = r + r^2 P(r), |r| <= ln 2 / 2 */
const math_poly math_expm1 = {
    .n32 = 5,
    .c32 = {
        0x1.fffffe0000000p-2, 0x1.5554b20000000p-3, 0x1.5557320000000p-5, 0x1.1226460000000p-7,
        0x1.6b55a60000000p-10,
    },
    .n64 = 10,
    .c64 = {
        0x1.0000000000005p-1, 0x1.5555555555541p-3, 0x1.555555555210ep-5, 0x1.111111111715fp-7,
        0x1.6c16c17f2e5f1p-10, 0x1.a01a017f47504p-13, 0x1.a019a6a26a8e7p-16, 0x1.71de7207ba190p-19,
        0x1.28a2905bec49cp-22, 0x1.ae8c72ae06714p-26,
    },
};

/* log((1 + s) / (1 - s)) = 2 s + s^3 P(s^2), |s| <= 3 - 2 sqrt 2 */
const math_poly math_log = {
    .n32 = 3,
    .c32 = {
        0x1.55557a0000000p-1, 0x1.995ed60000000p-2, 0x1.31e0b40000000p-2,
    },
    .n64 = 7,
    .c64 = {
        0x1.5555555555592p-1, 0x1.999999997ff41p-2, 0x1.24924941de953p-2, 0x1.c71c52167f818p-3,
        0x1.74663c8a36e2bp-3, 0x1.39a1f0896a133p-3, 0x1.2f0386ad2233dp-3,
    },
};

/* the same without its first two terms: 2 s + 2/3 s^3 + s^5 P(s^2) */
const math_poly math_log_tail = {
    .n32 = 3,
    .c32 = {
        0x1.999a000000000p-2, 0x1.2452780000000p-2, 0x1.dfa3c40000000p-3,
    },
    .n64 = 7,
    .c64 = {
        0x1.9999999999b2fp-2, 0x1.2492492457f16p-2, 0x1.c71c722d44098p-3, 0x1.745ce9edc97d1p-3,
        0x1.3b1eea5c1aefdp-3, 0x1.0f800d436f094p-3, 0x1.0e417afa59188p-3,
    },
};

/* sin r = r + r^3 P(r^2), |r| <= pi / 4 */
const math_poly math_sin = {
    .n32 = 3,
    .c32 = {
        -0x1.5555460000000p-3, 0x1.1107780000000p-7, -0x1.9953ea0000000p-13,
    },
    .n64 = 6,
    .c64 = {
        -0x1.5555555555548p-3, 0x1.111111110f72fp-7, -0x1.a01a019be907cp-13, 0x1.71de355530300p-19,
        -0x1.ae5e4bae0681bp-26, 0x1.5d8b7207ddc6ap-33,
    },
};

/* cos r = 1 - r^2 / 2 + r^4 P(r^2), |r| <= pi / 4 */
const math_poly math_cos = {
    .n32 = 3,
    .c32 = {
        0x1.55554a0000000p-5, -0x1.6c0c280000000p-10, 0x1.99e80a0000000p-16,
    },
    .n64 = 6,
    .c64 = {
        0x1.555555555554bp-5, -0x1.6c16c16c15011p-10, 0x1.a01a019c8e779p-16, -0x1.27e4f7f0e9b71p-22,
        0x1.1ee9db4560568p-29, -0x1.8fa632d1dd8e2p-37,
    },
};

/* asin x = x + x^3 P(x^2), |x| <= 1/2 */
const math_poly math_asin = {
    .n32 = 5,
    .c32 = {
        0x1.5555c80000000p-3, 0x1.3302040000000p-4, 0x1.747bba0000000p-5, 0x1.8c3e100000000p-6,
        0x1.595cfc0000000p-5,
    },
    .n64 = 12,
    .c64 = {
        0x1.5555555555391p-3, 0x1.333333336e686p-4, 0x1.6db6db4287ac5p-5, 0x1.f1c72c3544df9p-6,
        0x1.6e89f48ea1292p-6, 0x1.1c6bddcbfedbap-6, 0x1.c6fdf803dbcb4p-7, 0x1.8ec23de2ff419p-7,
        0x1.abd0d5d7e6de4p-8, 0x1.3ff59a2c286e9p-6, -0x1.09d4235c42b71p-6, 0x1.056c197b2fcb2p-5,
    },
};

/* atan x = x + x^3 P(x^2), |x| <= sqrt 2 - 1 */
const math_poly math_atan = {
    .n32 = 4,
    .c32 = {
        -0x1.5554540000000p-2, 0x1.9924d00000000p-3, -0x1.1c37580000000p-3, 0x1.49e14a0000000p-4,
    },
    .n64 = 11,
    .c64 = {
        -0x1.555555555553dp-2, 0x1.9999999995856p-3, -0x1.24924922ac8f5p-3, 0x1.c71c70e5a9001p-4,
        -0x1.745cf8cf44a85p-4, 0x1.3b11181ccc13cp-4, -0x1.10ebac4537a8bp-4, 0x1.df0e97d30cef5p-5,
        -0x1.9ccf99d619d7fp-5, 0x1.37ce01ab0ab4ep-5, -0x1.255af78f79336p-6,
    },
};

/* sinh x = x + x^3 P(x^2), |x| <= 1 */
const math_poly math_sinh = {
    .n32 = 4,
    .c32 = {
        0x1.5555560000000p-3, 0x1.1110e00000000p-7, 0x1.a022ba0000000p-13, 0x1.756cb20000000p-19,
    },
    .n64 = 8,
    .c64 = {
        0x1.5555555555555p-3, 0x1.111111111119bp-7, 0x1.a01a01a007364p-13, 0x1.71de3a68d03d4p-19,
        0x1.ae64411eeb824p-26, 0x1.61315ce19dd0bp-33, 0x1.a64941e563bc2p-41, 0x1.d9c8687e068e4p-48,
    },
};

/* tanh x = x + x^3 P(x^2), |x| <= 5/8 */
const math_poly math_tanh = {
    .n32 = 5,
    .c32 = {
        -0x1.5555320000000p-2, 0x1.1106f60000000p-3, -0x1.b835a40000000p-5, 0x1.51f85a0000000p-6,
        -0x1.7507a60000000p-8,
    },
    .n64 = 11,
    .c64 = {
        -0x1.55555555554ffp-2, 0x1.111111110ac90p-3, -0x1.ba1ba1b5046d0p-5, 0x1.664f477ac7791p-6,
        -0x1.226e16325f4afp-7, 0x1.d6cf2a0c22f07p-9, -0x1.7d68c46238f2bp-10, 0x1.33673ff92d078p-11,
        -0x1.df6185ebe5cd6p-13, 0x1.43b1e1103f2cap-14, -0x1.0df0a67e064f3p-16,
    },
};

/* asinh x = x + x^3 P(x^2), |x| <= 1/2 */
const math_poly math_asinh = {
    .n32 = 5,
    .c32 = {
        -0x1.5555360000000p-3, 0x1.3324f00000000p-4, -0x1.6b95660000000p-5, 0x1.cd5dc20000000p-6,
        -0x1.b131900000000p-7,
    },
    .n64 = 13,
    .c64 = {
        -0x1.5555555555554p-3, 0x1.3333333332fe6p-4, -0x1.6db6db6d8916fp-5, 0x1.f1c71c5dc660dp-6,
        -0x1.6e8ba0532d731p-6, 0x1.1c4e8dd30b2ccp-6, -0x1.c9935eb7b41a5p-7, 0x1.7a486eeb4e987p-7,
        -0x1.3e181e25ff482p-7, 0x1.09d30138498d3p-7, -0x1.9cfce22eec3fap-8, 0x1.fdeecdab19bafp-9,
        -0x1.5fc9ed4924554p-10,
    },
};

/* atanh x = x + x^3 P(x^2), |x| <= 1/2 */
const math_poly math_atanh = {
    .n32 = 6,
    .c32 = {
        0x1.5555400000000p-2, 0x1.99a6760000000p-3, 0x1.234d940000000p-3, 0x1.e400920000000p-4,
        0x1.a6b5f80000000p-5, 0x1.693cb40000000p-3,
    },
    .n64 = 16,
    .c64 = {
        0x1.5555555555555p-2, 0x1.9999999999ab6p-3, 0x1.2492492487e42p-3, 0x1.c71c71cd46e7cp-4,
        0x1.745d162ec6b07p-4, 0x1.3b13d165b8cc7p-4, 0x1.110e82f6e6095p-4, 0x1.e22c09c22fa0ap-5,
        0x1.ac17d61478ea6p-5, 0x1.9dff74759361cp-5, 0x1.b51b606697b4ep-6, 0x1.c5bcf4bc76544p-4,
        -0x1.691706075e050p-3, 0x1.e60e588f83fa8p-2, -0x1.128331811d2c0p-1, 0x1.97f1e6c3046b8p-2,
    },
};

/* erf x = x + x P(x^2), |x| <= 1 */
const math_poly math_erf = {
    .n32 = 7,
    .c32 = {
        0x1.06eba80000000p-3, -0x1.81273e0000000p-2, 0x1.ce2ce60000000p-4, -0x1.b7f71a0000000p-6,
        0x1.53f2260000000p-8, -0x1.a351760000000p-11, 0x1.4772380000000p-14,
    },
    .n64 = 13,
    .c64 = {
        0x1.06eba8214db69p-3, -0x1.812746b037a25p-2, 0x1.ce2f21a0458d6p-4, -0x1.b82ce31354f32p-6,
        0x1.565bcd2c7d1b4p-8, -0x1.c02db93d43175p-11, 0x1.f9a3bb3b6befcp-14, -0x1.f4dd25d9397a8p-17,
        0x1.ba6c8ab8e1f43p-20, -0x1.63b53f1521ffap-23, 0x1.140ad18cd9020p-26, -0x1.cb468e04b5e6ep-30,
        0x1.45a76a35763fcp-33,
    },
};

/* log erfc(x) = P(x - 1) on [1, 4] */
const math_poly math_erfc_1_4 = {
    .n32 = 8,
    .c32 = {
        -0x1.d97fc00000000p+0, -0x1.51c9800000000p+1, -0x1.afb8320000000p-1, -0x1.500b8a0000000p-5,
        0x1.1c7b580000000p-7, -0x1.7da8140000000p-12, -0x1.4f3f5c0000000p-11, 0x1.6b15220000000p-13,
    },
};

/* log erfc(x) = P(x - 1) on [1, 2.25] */
const math_poly math_erfc_1_2 = {
    .n64 = 15,
    .c64 = {
        -0x1.d97fbf27aa2a1p+0, -0x1.51c9b0006c246p+1, -0x1.afabc11a2875ep-1, -0x1.5477f09d4b940p-5,
        0x1.48c9d424d24f8p-7, -0x1.033f6b6f09a0fp-9, 0x1.f1b4e513a44c3p-13, 0x1.b8c7469a565cep-16,
        -0x1.c794f9d47b456p-16, 0x1.42bee1fe2e444p-17, -0x1.19508f3a0e926p-19, 0x1.ad5a2fb6971efp-23,
        0x1.742f706948526p-25, -0x1.494b52a84d9f0p-26, 0x1.447cf25dadca6p-29,
    },
};

/* log erfc(x) = P(x - 2.25) on [2.25, 6] */
const math_poly math_erfc_2_6 = {
    .n64 = 15,
    .c64 = {
        -0x1.a1c1e72735ef7p+2, -0x1.3881a8ed5e6eep+2, -0x1.dea6f633ac5f5p-1, -0x1.b439bff2b1ef8p-7,
        0x1.6b3ea06b34768p-9, -0x1.22e554e75d0f5p-11, 0x1.ae7a0cea7438ep-14, -0x1.16683f1c62934p-16,
        0x1.10fb3847c2eb2p-19, -0x1.f1984bda8bffcp-25, -0x1.2d4d85f76863fp-24, 0x1.f37a1c60001ebp-26,
        -0x1.e16faecfab973p-28, 0x1.196ffa754ef9ep-30, -0x1.2ee78890779c6p-34,
    },
};

/* 2 / pi: a limb of 32 bits before the point, 39 behind it */
const uint32_t math_two_over_pi[MATH_PI_LIMBS] = {
    0x00000000, 0xa2f9836e, 0x4e441529, 0xfc2757d1, 0xf534ddc0, 0xdb629599, 0x3c439041, 0xfe5163ab,
    0xdebbc561, 0xb7246e3a, 0x424dd2e0, 0x06492eea, 0x09d1921c, 0xfe1deb1c, 0xb129a73e, 0xe88235f5,
    0x2ebb4484, 0xe99c7026, 0xb45f7e41, 0x3991d639, 0x835339f4, 0x9c845f8b, 0xbdf9283b, 0x1ff897ff,
    0xde05980f, 0xef2f118b, 0x5a0a6d1f, 0x6d367ecf, 0x27cb09b7, 0x4f463f66, 0x9e5fea2d, 0x7527bac7,
    0xebe5f17b, 0x3d0739f7, 0x8a5292ea, 0x6bfb5fb1, 0x1f8d5d08, 0x56033046, 0xfc7b6bab, 0xf0cfbc20,
};
