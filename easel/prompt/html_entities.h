// HTML character references in prompts: `&eacute;`, `&#233;`, `&#xE9;`.
#pragma once

#include "easel/prompt/unicode.h"

namespace easel {

// Replaces references once, by the rules of HTML5 as html.unescape() of Python applies them: legacy names need no `;`
// and may be followed by anything (`&copy2024`), surrogates and numbers beyond Unicode become U+FFFD, control
// characters vanish.
Runes unescape_html(const Runes& text);

}  // namespace easel
