/* The one door from the command to the compiler. Each changes m->module and returns an exit status. */
#ifndef FRIT_TOOLS_DRIVER_H
#define FRIT_TOOLS_DRIVER_H
#include "model.h"

/* The canonical string of --target, or NULL. */
const char *driver_target(cli *c);
/* Compiles for --target into package bytes of the arena. `inside`: weights that are here go into the package. */
int driver_compile(cli *c, model *m, bool inside, const void **bytes, size_t *size);
/* The same for every --target, as one package. `beside`: a .safetensors file in the package's folder that has the weights
 * instead, or NULL. */
int driver_package(cli *c, model *m, bool inside, const char *beside, const void **bytes, size_t *size);
/* Compiles for `target_name`; equal input gives equal code on any machine. *p and *t belong to the arena. */
struct program;
struct target;
int driver_program(cli *c, model *m, const char *target_name, const struct program **p, const struct target **t);
/* Up to fusion: m->func then holds `kernel` ops. */
int driver_fuse(cli *c, model *m);

typedef enum {
#define STAGE(name, text) STAGE_##name,
#include "stages.def"
#undef STAGE
    STAGE_COUNT
} stage;
/* The names of all stages, "a, b, c". */
const char *stage_names(arena *a);
/* The stage called `name`, or STAGE_COUNT. */
stage stage_from_name(const char *name);
bool stage_is_text(stage s);
/* What the compiler has at a stage: bytes of the arena. `kernel` (may be NULL) selects one by name from tile on; an
 * unknown one is reported with the names there are. */
int driver_emit(cli *c, model *m, stage s, const char *kernel, const void **bytes, size_t *size);
#endif
