#include "ir.h"
#include <string.h>

/* An attribute list of an op row, `(map, idx)`, as a set of bits: it is spread over ten places, and an empty place is
 * IR_ATTR_, a bit that is masked out again. */
enum { IR_ATTR_ = 63 };
#define BIT(name) (UINT64_C(1) << IR_ATTR_##name)
#define SET10(a, b, c, d, e, f, g, h, i, j, ...)                                                                       \
    (BIT(a) | BIT(b) | BIT(c) | BIT(d) | BIT(e) | BIT(f) | BIT(g) | BIT(h) | BIT(i) | BIT(j))
#define SET(...) SET10(__VA_ARGS__, , , , , , , , , , )
#define ATTR_SET(list) (SET list & ~BIT())

#define LEVELS (IR_F_TENSOR | IR_F_TILE | IR_F_THREAD)

const ir_op_info ir_op_table[IR_OPCODE_COUNT] = {
    [IR_OP_INVALID] = {"invalid", 0, 0, 0, 0, 0, "", ""},
#define OP(name, operands, results, blocks, flags, attributes, operand_names, doc)                                     \
    [IR_##name] = {#name, operands, results, blocks, flags, ATTR_SET(attributes), operand_names, doc},
#include "ops.def"
#undef OP
};

#define OP(name, operands, results, blocks, flags, attributes, operand_names, doc)                                     \
    _Static_assert((operands) >= -1 && (operands) <= 3, #name ": number of operands");                                 \
    _Static_assert((results) >= -1 && (results) <= 2, #name ": number of results");                                    \
    _Static_assert((blocks) >= 0 && (blocks) <= 2, #name ": number of blocks");                                        \
    _Static_assert(((flags) & LEVELS) != 0, #name ": appears at no level");                                            \
    _Static_assert(!((flags) & IR_F_COMMUTATIVE) || (operands) == 2, #name ": commutative ops have two operands");     \
    _Static_assert(!((flags) & IR_F_TERMINATOR) || (results) == 0, #name ": terminators have no results");             \
    _Static_assert(!((flags) & IR_F_FLOAT) || !((flags) & IR_F_INT), #name ": either float or integer");
#include "ops.def"
#undef OP

const ir_attr_info ir_attr_table[IR_ATTR_COUNT] = {
#define ATTR(name, kind, doc) [IR_ATTR_##name] = {#name, IR_ATTR_##kind, doc},
#include "attrs.def"
#undef ATTR
};
_Static_assert((int)IR_ATTR_COUNT < (int)IR_ATTR_, "attribute sets are 64 bits, the last of them reserved");

static const char *const combine_names[IR_COMBINE_COUNT] = {
    [IR_SUM] = "sum", [IR_PROD] = "prod",     [IR_MAX] = "max",       [IR_MIN] = "min", [IR_ANY] = "any",
    [IR_ALL] = "all", [IR_ARGMAX] = "argmax", [IR_ARGMIN] = "argmin", [IR_SET] = "set"};

const char *ir_combine_name(ir_combine c) { return (unsigned)c < IR_COMBINE_COUNT ? combine_names[c] : "?"; }

ir_opcode ir_opcode_from_name(const char *name, size_t len) {
    for (int c = IR_OP_INVALID + 1; c < IR_OPCODE_COUNT; c++)
        if (!strncmp(ir_op_table[c].name, name, len) && !ir_op_table[c].name[len]) return (ir_opcode)c;
    return IR_OP_INVALID;
}
