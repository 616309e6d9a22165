#include "matrix.h"

void matrix_control(matrix *m) {}
