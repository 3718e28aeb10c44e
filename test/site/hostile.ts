// SPDX-License-Identifier: Apache-2.0

/** Texts that break out of HTML, SVG, XML, JSON, a script, a shell or a URL that takes them as they are. */
export const HOSTILE = [
  `<script>alert(1)</script>`,
  `"><img src=x onerror=alert(1)>`,
  `' onmouseover='alert(1)`,
  "` onfocus=alert(1) autofocus `",
  `</title><svg onload=alert(1)>`,
  `</script><script>alert(1)</script>`,
  `]]><!-- --><![CDATA[`,
  `--><script>alert(1)</script>`,
  `&lt;b&gt; &amp;#60; &#x3c;script&#x3e;`,
  `javascript:alert(1)`,
  `data:text/html,<script>alert(1)</script>`,
  `{{constructor.constructor('alert(1)')()}}`,
  "${alert(1)} $(touch /tmp/x) `id`",
  `'; rm -rf / #`,
  `../../../etc/passwd`,
  `\\"};alert(1);//`,
  `a\u0000b\u0008c\u001fd\u007fe\u0085f`,
  `lone \ud800 and \udc00`,
  `right \u202e to left \u2066 isolate`,
  `line \u2028 and \u2029`,
  `\ufffe\uffff`,
  `x".repeat(500)`,
];
