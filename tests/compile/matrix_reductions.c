#include "matrix.h"

void matrix_reductions(matrix *m) {}
