/*
 * The commands of weir-bench. Each takes its own name as argv[0] and returns an exit code.
 */
#ifndef WEIR_CAMPAIGN_COMMANDS_H
#define WEIR_CAMPAIGN_COMMANDS_H

int run_main(int argc, char **argv);
int list_main(int argc, char **argv);
int compare_main(int argc, char **argv);
int gate_main(int argc, char **argv);
int merge_main(int argc, char **argv);
int export_main(int argc, char **argv);
int top_main(int argc, char **argv);

#endif
