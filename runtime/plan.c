#include "rt.h"

/* Largest first; then by time and position, so that the order is total. */
static bool comes_before(const rt_life *lives, uint32_t a, uint32_t b) {
    if (lives[a].size != lives[b].size) return lives[a].size > lives[b].size;
    if (lives[a].first != lives[b].first) return lives[a].first < lives[b].first;
    return a < b;
}

/* Heapsort: qsort of the C library may allocate. */
static void sift(const rt_life *lives, uint32_t *v, uint32_t i, uint32_t n) {
    for (;;) {
        uint32_t child = 2 * i + 1, top = v[i];
        if (child >= n) return;
        if (child + 1 < n && comes_before(lives, v[child], v[child + 1])) child++;
        if (!comes_before(lives, top, v[child])) return;
        v[i] = v[child], v[child] = top, i = child;
    }
}
static void sort(const rt_life *lives, uint32_t *v, uint32_t n) {
    for (uint32_t i = n / 2; i-- > 0;) sift(lives, v, i, n);
    for (uint32_t end = n; end-- > 1;) {
        uint32_t t = v[0];
        v[0] = v[end], v[end] = t;
        sift(lives, v, 0, end);
    }
}

static bool overlap(const rt_life *a, const rt_life *b) { return a->first <= b->last && b->first <= a->last; }
static int64_t round_up(int64_t n) { return (n + FPK_ALIGN - 1) / FPK_ALIGN * FPK_ALIGN; }

/* The smallest gap that holds life x between placed ones that are alive at the same time, or the end of them.
 * placed: by ascending offset. */
static int64_t best_gap(const rt_life *lives, uint32_t x, const uint32_t *placed, uint32_t n, const int64_t *offsets) {
    int64_t end = 0, best = -1, best_size = INT64_MAX, size = round_up(lives[x].size);
    for (uint32_t i = 0; i < n; i++) {
        const rt_life *l = &lives[placed[i]];
        if (!overlap(l, &lives[x])) continue;
        int64_t at = offsets[placed[i]], gap = at - end;
        if (gap >= size && gap < best_size) best = end, best_size = gap;
        if (at + round_up(l->size) > end) end = at + round_up(l->size);
    }
    return best >= 0 ? best : end;
}

static void insert(uint32_t *placed, uint32_t n, uint32_t x, const int64_t *offsets) {
    uint32_t i = n;
    for (; i > 0 && offsets[placed[i - 1]] > offsets[x]; i--) placed[i] = placed[i - 1];
    placed[i] = x;
}

int64_t rt_plan_offsets(const rt_life *lives, uint32_t n, uint32_t *order, int64_t *offsets) {
    int64_t sum = 0, total = 0;
    for (uint32_t i = 0; i < n; i++) {
        order[i] = i;
        if (lives[i].size < 0 || lives[i].size > INT64_MAX - (int64_t)FPK_ALIGN) return -1;
        if (__builtin_add_overflow(sum, round_up(lives[i].size), &sum)) return -1;
    }
    sort(lives, order, n);
    uint32_t *placed = order + n;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t x = order[i];
        offsets[x] = best_gap(lives, x, placed, i, offsets);
        insert(placed, i, x, offsets);
        int64_t end = offsets[x] + round_up(lives[x].size);
        if (end > total) total = end;
    }
    return total;
}
