// Compiles a convolutional network inside a C++ program, in the background, and runs it: <frit/frit.hpp> wraps the C API
// in objects that release themselves and turns failures into exceptions.
//
//     c++ -std=c++17 jit.cpp $(pkg-config --cflags --libs frit)
#include <cstdio>
#include <frit/frit.hpp>
#include <numeric>
#include <vector>

static const char source[] = R"(
model net(image: f32[B, 3, 16, 16]) -> f32[B, 4] {
    param kernel: f32[8, 3, 3, 3], bias: f32[8]
    param w: f32[8, 4], b: f32[4]
    h = relu(conv2d(image, kernel, bias, padding = 1))
    return softmax(mean(h, axis = [2, 3]) @ w + b, axis = -1)
}
)";

// Made-up numbers for a weight; a real program maps a file.
static std::vector<float> weight(std::size_t n) {
    std::vector<float> v(n);
    for (std::size_t i = 0; i < n; i++) v[i] = static_cast<float>(static_cast<int>(i * 7 % 13) - 6) / 16;
    return v;
}

int main() try {
    frit::compiler compiler([](const frit_diagnostic &d) {
        std::fprintf(stderr, "%s:%d:%d: %s %s\n", d.file, d.line, d.column, d.code, d.message);
    });
    frit::module model = compiler.parse("net.frit", source);
    auto compiled = model.compile_async(); // a std::future: the program could do something else now
    frit::device cpu("cpu");
    frit::package package = compiled.get().open();
    frit::weights weights(package, cpu);

    std::vector<float> kernel = weight(8 * 3 * 3 * 3), bias = weight(8), w = weight(8 * 4), b = weight(4);
    weights.bind("kernel", frit::tensor(kernel.data(), {8, 3, 3, 3}));
    weights.bind("bias", frit::tensor(bias.data(), {8}));
    weights.bind("w", frit::tensor(w.data(), {8, 4}));
    weights.bind("b", frit::tensor(b.data(), {4}));

    frit::session session(weights);
    for (std::int64_t batch : {1, 3}) { // one compilation serves both
        std::vector<float> image(static_cast<std::size_t>(batch) * 3 * 16 * 16), out(static_cast<std::size_t>(batch) * 4);
        std::iota(image.begin(), image.end(), 0.0f);
        for (float &x : image) x = x / static_cast<float>(image.size());
        session.run({frit::tensor(image.data(), {batch, 3, 16, 16})}, {frit::tensor(out.data(), {batch, 4})});
        std::printf("batch %d:", static_cast<int>(batch));
        for (float p : out) std::printf(" %.6f", static_cast<double>(p));
        std::printf("\n");
    }
    return 0;
} catch (const frit::error &e) {
    std::fprintf(stderr, "jit: %s\n", e.what());
    return 1;
}
