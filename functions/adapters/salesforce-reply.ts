/** Characters of a response that are read at most; a token response has about 1,000. */
const LONGEST_BODY = 65_536;

/** The body as JSON; `undefined` where it is none, or longer than any answer of Salesforce's. */
export async function jsonOf(response: Response): Promise<unknown> {
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    // Leaving the loop cancels the rest.
    if (text.length > LONGEST_BODY) return undefined;
  }
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
