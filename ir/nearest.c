/* "Did you mean": edit distance between names. */
#include "diag.h"
#include <ctype.h>
#include <string.h>

enum { LONGEST = 63 }; /* longer names are not compared */

static int min3(int a, int b, int c) {
    int m = a < b ? a : b;
    return m < c ? m : c;
}

/* Damerau-Levenshtein distance, optimal string alignment: insertions, deletions, substitutions, and swaps of
 * neighbours. Rows above the last two are not needed. */
int diag_distance(const char *a, const char *b, int limit) {
    int na = (int)strnlen(a, LONGEST + 1), nb = (int)strnlen(b, LONGEST + 1);
    if (na > LONGEST || nb > LONGEST || na - nb > limit || nb - na > limit)
        return limit + 1;
    int rows[3][LONGEST + 1];
    for (int j = 0; j <= nb; j++)
        rows[0][j] = j;
    for (int i = 1; i <= na; i++) {
        int *row = rows[i % 3], *up = rows[(i + 2) % 3], *up2 = rows[(i + 1) % 3];
        row[0] = i;
        for (int j = 1; j <= nb; j++) {
            row[j] = min3(up[j] + 1, row[j - 1] + 1, up[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && up2[j - 2] + 1 < row[j])
                row[j] = up2[j - 2] + 1;
        }
    }
    int distance = rows[na % 3][nb];
    return distance > limit ? limit + 1 : distance;
}

static bool same_but_case(const char *a, const char *b) {
    for (; *a && tolower((unsigned char)*a) == tolower((unsigned char)*b); a++)
        b++;
    return !*a && !*b;
}

const char *diag_nearest(const char *word, const char *const *candidates, int n) {
    int limit = (int)strnlen(word, LONGEST) / 3;
    const char *best = NULL;
    for (int i = 0; i < n; i++) {
        if (same_but_case(word, candidates[i]))
            return candidates[i];
        int distance = diag_distance(word, candidates[i], limit);
        if (limit > 0 && distance <= limit) {
            best = candidates[i];
            limit = distance - 1;
        }
    }
    return best;
}
