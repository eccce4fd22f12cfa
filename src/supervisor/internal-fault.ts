/** What something threw that never should, as the reason that whoever gave the command reads. */
export const internalFault = (error: unknown): string => `internal: ${(error as Error).message}`;
