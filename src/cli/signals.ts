/**
 * What signals do to every process of the program, before anything else is loaded. Without a listener, SIGUSR1 opens Node's
 * inspector to whoever is on the machine, and SIGUSR2 ends the process with its requests in flight.
 */
for (const signal of ['SIGUSR1', 'SIGUSR2'] as const) process.on(signal, () => {});

/** All that ask for an orderly end: SIGQUIT is what Ctrl-\ sends, and what nginx takes for it. */
export const endings = ['SIGINT', 'SIGTERM', 'SIGQUIT'] as const;
