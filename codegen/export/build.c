/* Snippets for builds: CMake and pkg-config. */
#include "export_internal.h"

static void put_cmake(export_set *s, text *t, bool objects) {
    const char *name = s->name;
    put(t,
        "# include(path/to/%s.cmake), then target_link_libraries(program PRIVATE %s)\n"
        "enable_language(C)\nadd_library(%s STATIC\n  ${CMAKE_CURRENT_LIST_DIR}/%s.c",
        name, name, name, name);
    for (int i = 0; objects && i < s->n; i++)
        put(t, "\n  ${CMAKE_CURRENT_LIST_DIR}/%s_kernels.o", s->models[i].name);
    put(t,
        ")\ntarget_include_directories(%s PUBLIC ${CMAKE_CURRENT_LIST_DIR})\n"
        "set_target_properties(%s PROPERTIES C_STANDARD 99 POSITION_INDEPENDENT_CODE ON)\n"
        "if(CMAKE_C_COMPILER_ID MATCHES \"GNU|Clang\")\n"
        "  target_compile_options(%s PRIVATE -ffp-contract=off $<$<C_COMPILER_ID:GNU>:-Wno-psabi>)\nendif()\n",
        name, name, name);
    if (s->models[0].gpu)
        put(t, "target_link_libraries(%s PUBLIC ${CMAKE_DL_LIBS})\n", name);
    else if (!objects)
        put(t, "if(UNIX)\n  target_link_libraries(%s PUBLIC m)\nendif()\n", name);
}

static void put_pkg_config(export_set *s, text *t, bool objects) {
    const exporter *x = &s->models[0];
    const char *name = s->name;
    put(t,
        "# Describes lib%s.a, made in this folder by\n"
        "#   cc -O2 -ffp-contract=off -fPIC -c %s.c && ar rcs lib%s.a %s.o",
        name, name, name, name);
    for (int i = 0; objects && i < s->n; i++) put(t, " %s_kernels.o", s->models[i].name);
    put(t, "\nprefix=${pcfiledir}\n\nName: %s\nDescription: The model%s", name, s->n > 1 ? "s" : "");
    for (int i = 0; i < s->n; i++)
        put(t, "%s %s", i ? "," : "", rt_string(s->models[i].p, s->models[i].p->info->entry));
    put(t, " compiled for %s\nVersion: 1\nCflags: -I${prefix}\nLibs: -L${prefix} -l%s%s\n",
        rt_string(x->p, x->v->target), name, objects ? "" : x->gpu ? " -ldl" : " -lm");
}

void put_build_files(export_set *s) {
    text cmake = {.a = s->a}, pc = {.a = s->a};
    bool objects = !s->models[0].gpu && !s->kernel_text;
    put_cmake(s, &cmake, objects);
    put_pkg_config(s, &pc, objects);
    export_add(s, arena_printf(s->a, "%s.cmake", s->name), text_of(&cmake), cmake.len);
    export_add(s, arena_printf(s->a, "%s.pc", s->name), text_of(&pc), pc.len);
}
