#include "matrix.h"

void matrix_indexed(matrix *m) {}
