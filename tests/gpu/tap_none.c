#include "driver.h"

const exec_tap exec_device_tap = {NULL, NULL, NULL};
