/** What stands before the last semicolon, as parse_content_type of apisix/plugins/mocking.lua has it. */
export function mediaTypeOf(contentType: string): string {
  const semicolon = contentType.lastIndexOf(';');
  return semicolon === -1 ? contentType : contentType.slice(0, semicolon);
}
