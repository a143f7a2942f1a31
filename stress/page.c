#include "stress/page.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "stress/fault.h"
#include "stress/report.h"

static const char style[] =
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;"
    "color:#222;background:#fff}table{border-collapse:collapse;margin:.5em 0 1.5em}"
    "td,th{border-bottom:1px solid #ccc;padding:.2em .8em .2em 0;text-align:left;"
    "vertical-align:top}td.n{text-align:right}pre{background:#f4f4f4;padding:1em;overflow:auto;"
    "font-size:13px}.verdict{font-size:1.4em;padding:.4em .6em;border-left:.5em solid}"
    ".good{border-color:#0072b2}.bad{border-color:#d55e00}.open{border-color:#999}"
    "@media(prefers-color-scheme:dark){body{color:#ddd;background:#1b1b1b}"
    "pre{background:#2a2a2a}td,th{border-color:#444}}";

static void escaped(FILE *out, const char *text) {
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '&':
            fputs("&amp;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        default:
            fputc(*text, out);
        }
    }
}

static void escaped_file(FILE *out, FILE *in) {
    char line[512];
    rewind(in);
    while (fgets(line, sizeof(line), in) != NULL) {
        escaped(out, line);
    }
}

static void verdict_of_page(FILE *out, const struct run *run) {
    bool found = run->verdict.word[0] != '\0', conclusive = report_is_conclusive(run);
    fprintf(out, "<p class=\"verdict %s\">%s%s</p>\n",
            found        ? "bad"
            : conclusive ? "good"
                         : "open",
            found        ? verdict_name(verdict_code(run->verdict.word))
            : conclusive ? "Nothing found"
                         : "INCONCLUSIVE",
            found || conclusive ? ""
                                : ": nothing found, and a scenario never reached what it attacks");
}

static void scenarios_of_page(FILE *out, const struct run *run) {
    const struct board *b = run->board;
    fprintf(out, "<h2>What was tried</h2>\n<table><tr><th>scenario</th><th>invariant</th>"
                 "<th>episodes</th><th>reached</th></tr>\n");
    for (unsigned i = 0; i < b->description.scenario_count; i++) {
        const struct scenario_text *s = &b->description.scenarios[i];
        if ((b->settings.scenarios & (UINT64_C(1) << i)) == 0) {
            continue;
        }
        fprintf(out, "<tr><td>%s</td><td>", s->name);
        escaped(out, s->invariant);
        fprintf(out, "</td><td class=\"n\">%llu</td><td>",
                (unsigned long long)b->coverage[i].episodes);
        if (s->lacks[0] != '\0') {
            fprintf(out, "not applicable: ");
            escaped(out, s->lacks);
        }
        for (unsigned k = 0; k < BOARD_REACH && s->reach[k][0] != '\0' && s->lacks[0] == '\0';
             k++) {
            fprintf(out, "%s%llu %s", k == 0 ? "" : "<br>",
                    (unsigned long long)b->coverage[i].reach[k], s->reach[k]);
        }
        fprintf(out, "</td></tr>\n");
    }
    fprintf(out, "</table>\n");
}

static void faults_of_page(FILE *out, const struct board *b) {
    fprintf(out, "<h2>Faults of the surroundings</h2>\n<table><tr><th>fault</th><th>what happened"
                 "</th><th>episodes</th><th>allowed</th><th>forbidden</th></tr>\n");
    for (unsigned i = 1; i < FAULTS; i++) {
        const struct fault_row *row = &fault_rows[i];
        fprintf(out,
                "<tr><td>%s</td><td>%s</td><td class=\"n\">%llu</td><td>%s</td><td>%s</td></tr>\n",
                row->name, row->done, (unsigned long long)b->fault_episodes[i], row->allowed,
                row->forbidden);
    }
    fprintf(out, "</table>\n");
}

static void page_html(FILE *out, const struct run *run, double seconds) {
    const struct board *b = run->board;
    fprintf(out, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                 "<meta name=\"viewport\" content=\"width=device-width\"><title>weir-stress: ");
    escaped(out, b->description.name);
    fprintf(out, "</title><style>%s</style></head><body>\n<h1>weir-stress: ", style);
    escaped(out, b->description.name);
    fputs(" ", out);
    escaped(out, b->description.version);
    fprintf(out, "</h1>\n<p>");
    escaped(out, b->description.notes);
    fprintf(out, "</p>\n");
    verdict_of_page(out, run);
    if (run->verdict.word[0] != '\0') {
        fprintf(out, "<h2>What was found, and how to repeat it</h2>\n<pre>");
        escaped_file(out, run->found);
        fprintf(out, "</pre>\n<p>The line that begins with <code>replay:</code> runs the same "
                     "episode again and again, with the same calls and delays, until it shows "
                     "itself.</p>\n");
    }
    scenarios_of_page(out, run);
    faults_of_page(out, b);
    fprintf(out, "<h2>Covered</h2>\n<pre>");
    FILE *text = tmpfile();
    if (text != NULL) {
        report_coverage(text, run, seconds);
        escaped_file(out, text);
        fclose(text);
    }
    fprintf(out, "</pre>\n</body></html>\n");
}

static void page_text(FILE *out, const struct run *run, double seconds) {
    char line[512];
    time_t now = time(NULL);
    struct tm when;
    strftime(line, sizeof(line), "%Y-%m-%d %H:%M:%S UTC", gmtime_r(&now, &when));
    fprintf(out, "weir-stress, %s\n\n", line);
    rewind(run->found);
    while (fgets(line, sizeof(line), run->found) != NULL) {
        fputs(line, out);
    }
    report_coverage(out, run, seconds);
}

static bool write_one(const char *folder, const char *name, const struct run *run, double seconds,
                      void (*write)(FILE *, const struct run *, double)) {
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *out = fopen(path, "w");
    if (out == NULL) {
        fprintf(stderr, "weir-stress: %s: %s\n", path, strerror(errno));
        return false;
    }
    write(out, run, seconds);
    return fclose(out) == 0;
}

bool page_write(const char *folder, const struct run *run, double seconds) {
    if (mkdir(folder, 0777) != 0 && errno != EEXIST) {
        fprintf(stderr, "weir-stress: --report=%s: %s\n", folder, strerror(errno));
        return false;
    }
    return write_one(folder, "report.txt", run, seconds, page_text) &&
           write_one(folder, "report.html", run, seconds, page_html);
}
