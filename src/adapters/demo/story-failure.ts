/** The story did not go as it should: what was expected, and what was seen instead. */
export class StoryFailure extends Error {
  override readonly name = 'StoryFailure';
}
