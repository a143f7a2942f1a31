/*
 * One measured cell, in a process of its own: reads one JSON description on stdin, measures one
 * subject under one workload, and prints one JSON record on stdout.
 *
 * Exit status 0: a record was printed, of whatever status. 2: the description, the plug-in or one
 * of their names is not usable; 1: anything else. Both with one line on stderr.
 */
#ifndef WEIR_BENCH_CELL_H
#define WEIR_BENCH_CELL_H

/* argv[0] is the name of the command; there are no arguments. */
int cell_main(int argc, char **argv);

#endif
