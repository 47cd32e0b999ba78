// The platform half of LTI platform storage, in the moods that a test asks for by `?mood=`; `heard` is what reached it.
const kept = new Map();
const known = ["lti.capabilities", "lti.put_data", "lti.get_data", "lti.frameResize", "lti.scrollToTop", "lti.close"];
const mood = new URLSearchParams(location.search).get("mood") ?? "well";
window.heard = [];

window.addEventListener("message", ({ data, origin, source }) => {
  const { subject, key, value, message_id: id } = data ?? {};
  if (!String(subject).startsWith("lti.")) return;
  window.heard.push({ subject, origin, key, value });
  const say = (more, other = {}) => source.postMessage({ subject: `${subject}.response`, message_id: id, ...more, ...other }, origin);
  if (mood === "silent") return;
  if (subject === "lti.capabilities") {
    say({ supported_messages: (mood === "bare" ? known.slice(0, 1) : known).map((one) => ({ subject: one })) });
  } else if (subject === "lti.put_data") {
    if (mood === "refusing") return void say({ error: { code: "wrong_origin", message: "no" } });
    kept.set(origin + key, value);
    say({ key, value });
  } else if (subject === "lti.get_data") {
    const found = kept.get(origin + key) ?? null;
    if (mood === "noisy") {
      say({ key, value: "of another question" }, { message_id: "another" });
      say({ key, value: "of another subject" }, { subject: "lti.put_data.response" });
      document.getElementById("stranger").contentWindow.postMessage({ frame: "activity", id }, "*");
      setTimeout(say, 200, { key, value: found });
    } else say({ key, value: mood === "lying" ? "of another login" : found });
  }
});
