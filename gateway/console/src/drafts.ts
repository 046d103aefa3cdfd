// Configurations that another screen has prepared and nobody has sent yet; kept until they are sent or dropped, or the page is left.
const drafts = new Map<string, string>();

/** The next configuration of an agent, to be looked at and sent by a person. */
export function leaveDraft(agent: string, text: string) { drafts.set(agent, text); }
export const draftOf = (agent: string): string | undefined => drafts.get(agent);
export function dropDraft(agent: string) { drafts.delete(agent); }
