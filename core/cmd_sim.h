/* cmd_sim - the command `baton sim`: the simulated providers until a signal ends them.
 * SPDX-License-Identifier: MIT */
#ifndef CMD_SIM_H
#define CMD_SIM_H

/* argv[0] is "sim". Returns the exit code. */
int cmd_sim(int argc, char **argv);

#endif
