// One officer's visit in Debian's Firefox, told by puppeteer-core (WebDriver BiDi): what the frame showed goes to stdout as
// JSON, for tests/lti/conformance/test_firefox.py to judge.
import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";

const { driver, firefox, course, downloads, prefs } = JSON.parse(process.argv[2]);
const require = createRequire(`${driver}/package.json`);
const { default: puppeteer } = await import(pathToFileURL(require.resolve("puppeteer-core")).href);
const PATIENCE = 30_000;

const browser = await puppeteer.launch({
  browser: "firefox",
  executablePath: firefox,
  headless: true,
  extraPrefsFirefox: {
    "browser.download.folderList": 2,
    "browser.download.dir": downloads,
    "browser.download.always_ask_before_handling_new_types": false,
    "intl.accept_languages": "zh-CN",
    ...prefs,
  },
});

/** Asks until the answer is true; every page that is gone meanwhile is asked anew. */
async function until(what, ask) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    const answer = await Promise.resolve(ask()).catch(() => null);
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`waited in vain for: ${what}`);
    await sleep(100);
  }
}

const said = { version: await browser.version() };
try {
  const page = await browser.newPage();
  await page.goto(course);
  const inside = async (work, ...given) => (await (await page.$("iframe[name=activity]")).contentFrame()).evaluate(work, ...given);
  const click = async (selector, words, options) => {
    const frame = await (await page.$("iframe[name=activity]")).contentFrame();
    const all = await frame.$$(selector);
    for (const one of all) if ((await one.evaluate((node) => node.textContent)).includes(words)) return one.click(options).then(() => true);
    return false;
  };
  const current = () => inside(() => document.querySelector("nav.menu [aria-current]")?.textContent ?? "");

  said.asked = (await until("a page of the tool", () => inside(() => (document.querySelector("form[data-here]:not([hidden])") ? "yes" : document.querySelector("nav.menu") && "no")))) === "yes";
  if (said.asked) {
    said.name = await inside(() => document.querySelector("h1").textContent);
    await click("button", "就在这里继续");
  }
  await until("the menu", () => inside(() => Boolean(document.querySelector("nav.menu"))));
  said.who = await inside(() => document.querySelector(".who").textContent);
  said.borne = await inside(() => globalThis.nengli.borne);
  await until("the list", async () => (await click("nav.menu a", "名单")) && until("名单", async () => (await current()) === "名单"));
  await inside(() => {
    globalThis.before = true;
    setTimeout(() => location.reload());
  });
  await until("the list again", async () => (await inside(() => !globalThis.before)) && (await current()) === "名单");
  said.reloaded = await current();

  await page.keyboard.down("Control");
  await click("nav.menu a", "进度");
  await page.keyboard.up("Control");
  const tab = await until("a tab", async () => (await browser.pages()).find((one) => one !== page && one.url().startsWith("http")));
  said.tab = await until("the tab's page", () => tab.evaluate(() => document.querySelector(".who")?.textContent));
  await tab.close();

  await click("nav.menu a", "进度");
  await until("进度", async () => (await current()) === "进度");
  const tabs = (await browser.pages()).length;
  await click("a", "导出 Excel");
  said.sheet = await until("the sheet", () => readdirSync(downloads).find((name) => name.endsWith(".xlsx")));
  said.tabsLeft = (await browser.pages()).length - tabs;

  await page.evaluate(() => history.back());
  said.back = await until("名单 by Back", async () => (await current()) === "名单" && current());
  if (said.borne) {
    await click("nav.menu a", "进度");
    await until("进度 once more", async () => (await current()) === "进度");
    await page.setOfflineMode(true);
    await page.evaluate(() => history.back());
    said.cut = await until("what a cut line says", () => inside(() => document.querySelector("[data-cut-said]")?.textContent));
    await page.setOfflineMode(false);
    await click("[data-cut-said] a", "再试一次");
    said.mended = await until("名单 by trying again", async () => (await current()) === "名单" && current());
  }
  await inside(() => {
    const link = (words) => [...document.querySelectorAll("nav.menu a")].find((one) => one.textContent === words);
    for (const words of ["进度", "进度", "项目"]) link(words).click();
  });
  await until("what was clicked last", async () => (await current()) === "项目");
  await sleep(1000);
  said.last = await until("a page", current);
} catch (error) {
  said.error = String(error);
} finally {
  process.stdout.write(JSON.stringify(said));
  await browser.close();
}
