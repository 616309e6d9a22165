-- Compiles a model inside a LuaJIT program and runs it.
--
--     LUA_PATH="$PREFIX/share/lua/5.1/?.lua;;" luajit jit.lua
local ffi = require "ffi"
local frit = require "frit"

local source = [[
model digits(image: f32[B, 64]) -> f32[B, 10] {
    param w1: f32[64, 128], b1: f32[128]
    param w2: f32[128, 10], b2: f32[10]
    h = relu(image @ w1 + b1)
    return softmax(h @ w2 + b2, axis = -1)
}
]]

local function made_up(...)
    local shape, n = {...}, 1
    for _, extent in ipairs(shape) do n = n * extent end
    local data = ffi.new("float[?]", n)
    for i = 0, n - 1 do data[i] = (i * 7 % 13 - 6) / 64 end
    return frit.tensor(data, shape)
end

local compiler = frit.compiler()
local ok, message = pcall(compiler.parse, compiler, "typo.frit", (source:gsub("relu", "rleu")))
print("as it should be:", not ok and message:match "%[(.*)%]$")

local weights = frit.weights(compiler:parse("digits.frit", source):compile():open(), frit.device "cpu")
weights:bind("w1", made_up(64, 128))
weights:bind("b1", made_up(128))
weights:bind("w2", made_up(128, 10))
weights:bind("b2", made_up(10))
local session = frit.session(weights)

local image, out = ffi.new "float[64]", ffi.new "float[10]"
for i = 0, 63 do image[i] = i % 8 / 8 end
session:run({frit.tensor(image, {1, 64})}, {frit.tensor(out, {1, 10})})
local text = {}
for i = 0, 9 do text[#text + 1] = ("%.6f"):format(out[i]) end
print("probabilities: " .. table.concat(text, " "))
