#include "printer_internal.h"
bool c_block_op(cprinter *p, const ir_op *op) { return false; }
