/* Memory with a lifetime: everything allocated from an arena is freed with it. Arenas are named by what ends them
 * (session, module, scratch). An arena is not thread-safe. */
#ifndef FRIT_IR_ARENA_H
#define FRIT_IR_ARENA_H
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

typedef struct arena arena;

arena *arena_new(void);
void arena_free(arena *a);
/* An arena that is freed with its parent, at the latest. */
arena *arena_child(arena *parent);
/* Gives back what has been handed out since `arena_here`. Places are given back last first. */
typedef struct arena_place {
    void *chunk;
    size_t chunk_used;
} arena_place;
arena_place arena_here(const arena *a);
void arena_back(arena *a, arena_place to);
/* Zeroed memory aligned to 16 bytes. Exhausted memory ends the process with status 3 (docs/architecture.md,
 * Memory). */
void *arena_alloc(arena *a, size_t size);
void *arena_copy(arena *a, const void *src, size_t size);
char *arena_strdup(arena *a, const char *s);
char *arena_strndup(arena *a, const char *s, size_t n);
char *arena_printf(arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(arena *a, const char *fmt, va_list ap);

#define arena_new_of(a, T) ((T *)arena_alloc((a), sizeof(T)))
#define arena_array(a, T, n) ((T *)arena_alloc((a), sizeof(T) * (size_t)(n)))

/* A growing array in an arena: `VEC(T) v = {0}; vec_push(a, &v, x);` then v.data[0 .. v.len). Old storage stays in the
 * arena until it ends; growth doubles, so at most as much again is lost. */
#define VEC(T)                                                                                                         \
    struct {                                                                                                           \
        T *data;                                                                                                       \
        int len, cap;                                                                                                  \
    }
#define vec_push(a, v, x)                                                                                              \
    ((v)->len == (v)->cap                                                                                              \
         ? (void)((v)->data = arena_grow((a), (v)->data, (v)->len, &(v)->cap, sizeof *(v)->data))                      \
         : (void)0,                                                                                                    \
     (v)->data[(v)->len++] = (x))
void *arena_grow(arena *a, void *data, int len, int *cap, size_t elem);
#endif
