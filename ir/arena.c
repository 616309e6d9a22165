#include "arena.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct chunk {
    struct chunk *next;
    size_t size, used;
    _Alignas(16) unsigned char data[];
} chunk;

struct arena {
    chunk *head;
    arena *children, *sibling; /* arenas that end with this one */
};

static void *checked(void *p) {
    if (!p) {
        fputs("frit: out of memory\n", stderr);
        exit(3);
    }
    return p;
}

arena *arena_new(void) { return checked(calloc(1, sizeof(arena))); }

arena *arena_child(arena *parent) {
    arena *a = arena_new();
    a->sibling = parent->children;
    return parent->children = a;
}

static void free_until(arena *a, const chunk *last) {
    while (a->head != last) {
        chunk *c = a->head;
        a->head = c->next;
        free(c);
    }
}

void arena_free(arena *a) {
    if (!a) return;
    for (arena *c = a->children, *next; c; c = next) {
        next = c->sibling;
        arena_free(c);
    }
    free_until(a, NULL);
    free(a);
}

arena_place arena_here(const arena *a) { return (arena_place){a->head, a->head ? a->head->used : 0}; }

void arena_back(arena *a, arena_place to) {
    free_until(a, to.chunk);
    if (a->head) a->head->used = to.chunk_used;
}

void *arena_alloc(arena *a, size_t size) {
    size = (size + 15) & ~(size_t)15;
    if (!a->head || a->head->size - a->head->used < size) {
        size_t want = a->head ? a->head->size * 2 : 4096;
        if (want > 1u << 20) want = 1u << 20;
        if (want < size) want = size;
        chunk *c = checked(malloc(sizeof(chunk) + want));
        c->next = a->head;
        c->size = want;
        c->used = 0;
        a->head = c;
    }
    void *p = a->head->data + a->head->used;
    a->head->used += size;
    return memset(p, 0, size);
}

void *arena_copy(arena *a, const void *src, size_t size) {
    void *p = arena_alloc(a, size);
    if (size) memcpy(p, src, size);
    return p;
}

char *arena_strndup(arena *a, const char *s, size_t n) {
    char *p = arena_alloc(a, n + 1);
    memcpy(p, s, n);
    return p;
}

char *arena_strdup(arena *a, const char *s) { return arena_strndup(a, s, strlen(s)); }

char *arena_vprintf(arena *a, const char *fmt, va_list ap) {
    if (!fmt) fmt = ""; /* never; without it the sanitizers' builds warn of a null format */
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    char *p = arena_alloc(a, (size_t)n + 1);
    vsnprintf(p, (size_t)n + 1, fmt, ap);
    return p;
}

char *arena_printf(arena *a, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    char *p = arena_vprintf(a, fmt, ap);
    va_end(ap);
    return p;
}

void *arena_grow(arena *a, void *data, int len, int *cap, size_t elem) {
    *cap = *cap ? *cap * 2 : 8;
    void *p = arena_alloc(a, elem * (size_t)*cap);
    if (len) memcpy(p, data, elem * (size_t)len);
    return p;
}
