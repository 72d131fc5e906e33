// Answers that come in another order than they were asked for in.

/**
 * Tell the answers for one place apart: what was asked for last is shown, whenever it comes.
 *
 * @returns {function(): function(): boolean} called where something is asked for; what it returns
 *   says whether nothing was asked for since.
 */
export function newTurns() {
  let last = 0;
  return () => {
    last += 1;
    const number = last;
    return () => number === last;
  };
}
