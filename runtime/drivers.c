/* The kinds of devices that there are. The list has a file of its own so that a program that links its own list
 * replaces it. */
#include "driver.h"

const rt_driver *const rt_drivers[] = {&rt_cpu_driver, &rt_cuda_driver, &rt_hip_driver, NULL};
