// The states that are looked at. Each scene brings the page to one of them; shots.mjs takes the picture.

const type = (page, text) => page.getByRole("textbox", { name: /^Message / }).pressSequentially(text);

export const SCENES = [
  { name: "sign-in", run: async ({ page, url }) => void (await page.goto(url)) },
  {
    name: "sign-in-bad",
    run: async ({ page, url }) => {
      await page.goto(url);
      await page.getByLabel("Email address").fill("maya@");
      await page.getByRole("button", { name: "Continue" }).click();
    },
  },
  {
    name: "code",
    run: async ({ page, url }) => {
      await page.goto(url);
      await page.getByLabel("Email address").fill("maya@example.com");
      await page.getByRole("button", { name: "Continue" }).click();
      await page.getByLabel("8-digit code").pressSequentially("4821");
      await page.getByText("Mail sent").waitFor();
    },
  },
  {
    name: "code-wrong",
    run: async ({ page, url }) => {
      await page.goto(url);
      await page.getByLabel("Email address").fill("maya@example.com");
      await page.getByRole("button", { name: "Continue" }).click();
      await page.getByLabel("8-digit code").fill("0000-0000");
      await page.getByText("tries left").waitFor();
    },
  },
  {
    name: "name",
    run: async ({ page, url, fake }) => {
      await page.goto(url);
      await page.getByLabel("Email address").fill("new@example.com");
      await page.getByRole("button", { name: "Continue" }).click();
      await page.getByLabel("8-digit code").waitFor();
      await page.getByLabel("8-digit code").fill(fake.mail[0].text);
      await page.getByLabel("Your name").waitFor();
    },
  },
  {
    name: "empty",
    run: async ({ page, url, fake }) => {
      await page.goto(url);
      await page.getByLabel("Email address").fill("new@example.com");
      await page.getByRole("button", { name: "Continue" }).click();
      await page.getByLabel("8-digit code").waitFor();
      await page.getByLabel("8-digit code").fill(fake.mail[0].text);
      await page.getByLabel("Your name").fill("Nia Newcomer");
      await page.getByRole("button", { name: "Start chatting" }).click();
      await page.getByRole("navigation").waitFor();
    },
  },
  { name: "list", run: async ({ open }) => open(null) },
  { name: "room", run: async ({ open, rooms }) => open(rooms.launch) },
  {
    name: "room-live",
    run: async ({ page, open, rooms, fake, people, say }) => {
      await open(rooms.launch);
      for (const who of [people.jonas, people.lena]) fake.io.to(rooms.launch.id).emit("typing", { roomId: rooms.launch.id, userId: who, active: true });
      say(rooms.launch, people.yuki, "Strings are in! 🎊", {});
      fake.publish(rooms.launch.log.at(-1));
      await page.getByText("Strings are in").first().waitFor();
      await page.getByRole("textbox", { name: /^Message / }).fill("Wonderful, thank you @Pri");
      await page.getByRole("textbox", { name: /^Message / }).press("End");
      await type(page, "y");
    },
  },
  { name: "dm", run: async ({ open, rooms }) => open(rooms.withJonas) },
  { name: "group", run: async ({ open, rooms }) => open(rooms.trip) },
  {
    name: "scrolled",
    run: async ({ page, open, rooms, fake, people, say }) => {
      await open(rooms.general);
      await page.getByRole("log").evaluate((box) => (box.scrollTop -= 1500));
      await page.waitForTimeout(200);
      for (let k = 0; k < 12; k++) {
        say(rooms.general, people.lena, `News ${k + 1}`);
        fake.publish(rooms.general.log.at(-1));
      }
      await page.getByRole("button", { name: "12 new messages" }).waitFor();
    },
  },
  {
    name: "hover",
    run: async ({ page, open, rooms, narrow }) => {
      await open(rooms.launch);
      const article = page.getByRole("article").filter({ hasText: "Button duty" });
      if (narrow) await article.dispatchEvent("pointerdown", { pointerType: "touch", clientX: 100, clientY: 300 });
      else await article.hover();
      if (narrow) await page.getByRole("menu").waitFor();
    },
  },
  {
    name: "menu",
    run: async ({ page, open, rooms, narrow }) => {
      await open(rooms.launch);
      if (narrow) return;
      await page.getByRole("article").filter({ hasText: "Button duty" }).hover();
      await page.getByRole("toolbar").getByRole("button", { name: "More" }).click();
      await page.getByRole("menu").waitFor();
    },
  },
  {
    name: "emoji",
    run: async ({ page, open, rooms }) => {
      await open(rooms.launch);
      await page.getByRole("button", { name: "Emoji" }).click();
      await page.getByLabel("Search emoji").waitFor();
    },
  },
  {
    name: "edit",
    run: async ({ page, open, rooms, narrow }) => {
      await open(rooms.launch);
      await page.getByRole("textbox", { name: /^Message / }).focus();
      await page.keyboard.press("ArrowUp");
      await page.getByRole("textbox", { name: "Edit message" }).waitFor();
      if (!narrow) await page.keyboard.type(" Please.");
    },
  },
  {
    name: "reply",
    run: async ({ page, open, rooms, narrow }) => {
      await open(rooms.launch);
      if (narrow) return;
      await page.getByRole("article").filter({ hasText: "Graphs are up" }).hover();
      await page.getByRole("toolbar").getByRole("button", { name: "Reply" }).click();
      await type(page, "On my way");
    },
  },
  {
    name: "delete",
    run: async ({ page, open, rooms, narrow }) => {
      await open(rooms.launch);
      if (narrow) return;
      await page.getByRole("article").filter({ hasText: "Button duty" }).hover();
      await page.getByRole("toolbar").getByRole("button", { name: "More" }).click();
      await page.getByRole("menuitem", { name: "Delete" }).click();
      await page.getByRole("dialog").waitFor();
    },
  },
  {
    name: "limit",
    run: async ({ page, open, rooms }) => {
      await open(rooms.withJonas);
      await page.getByRole("textbox", { name: /^Message / }).fill("A long story. ".repeat(280));
    },
  },
  {
    name: "members",
    run: async ({ page, open, rooms }) => {
      await open(rooms.launch);
      await page.getByRole("button", { name: /members$/ }).click();
      await page.getByRole("complementary").getByText("Jonas").waitFor();
    },
  },
  {
    name: "person",
    run: async ({ page, open, rooms }) => {
      await open(rooms.launch);
      await page.getByRole("button", { name: /members$/ }).click();
      await page.getByRole("complementary").getByText("Jonas").click();
      await page.getByRole("dialog").waitFor();
    },
  },
  {
    name: "switcher",
    run: async ({ page, open, rooms }) => {
      await open(rooms.launch);
      await page.keyboard.press("Control+k");
      await page.getByRole("combobox").waitFor();
      await page.keyboard.type("l");
      await page.getByText("People").waitFor();
    },
  },
  {
    name: "create",
    run: async ({ page, open, narrow }) => {
      await open(null);
      await page.getByRole("button", { name: "New conversation" }).first().click();
      await page.getByRole("combobox").fill("o");
      await page.getByRole("option").first().click();
      await page.getByRole("combobox").fill(narrow ? "l" : "le");
      await page.getByRole("option").first().waitFor();
    },
  },
  {
    name: "create-room",
    run: async ({ page, open }) => {
      await open(null);
      await page.getByRole("button", { name: "New conversation" }).first().click();
      await page.getByRole("tab", { name: "Room" }).click();
      await page.getByLabel("Name").fill("release-notes");
    },
  },
  {
    name: "directory",
    run: async ({ page, open }) => {
      await open(null);
      await page.getByRole("button", { name: "Browse rooms" }).first().click();
      await page.getByText("reading-club").waitFor();
    },
  },
  {
    name: "sessions",
    run: async ({ page, open }) => {
      await open(null);
      await page.getByRole("button", { name: /your menu/ }).click();
      await page.getByRole("menuitem", { name: "Devices" }).click();
      await page.getByText("This device").waitFor();
    },
  },
  {
    name: "own-menu",
    run: async ({ page, open }) => {
      await open(null);
      await page.getByRole("button", { name: /your menu/ }).click();
      await page.getByRole("menu").waitFor();
    },
  },
  {
    name: "room-menu",
    run: async ({ page, open, rooms }) => {
      await open(rooms.launch);
      await page.getByRole("button", { name: "Conversation options" }).click();
      await page.getByRole("menu").waitFor();
    },
  },
  {
    name: "offline",
    run: async ({ page, context, open, rooms, fake }) => {
      await open(rooms.launch);
      await context.setOffline(true);
      fake.cut();
      await page.getByText("You’re offline").waitFor();
      await type(page, "This one waits");
      await page.getByRole("button", { name: "Send" }).click();
      await page.getByText("Waiting for connection").waitFor();
    },
  },
  {
    name: "reconnecting",
    run: async ({ page, open, rooms, fake }) => {
      await open(rooms.launch);
      fake.io.engine.opts.allowRequest = (_, answer) => answer("down", false);
      fake.cut();
      await page.getByText("Reconnecting").or(page.getByText("Trying again in")).first().waitFor({ timeout: 15000 });
      await page.getByText("Trying again in").waitFor({ timeout: 15000 });
    },
  },
  {
    name: "failed",
    run: async ({ page, open, rooms, fake }) => {
      await open(rooms.launch);
      fake.faults.refuseSends = "muted";
      await type(page, "Can you hear me?");
      await page.getByRole("button", { name: "Send" }).click();
      await page.getByText("Not sent").waitFor();
    },
  },
  {
    name: "missing",
    run: async ({ page, signIn, url }) => {
      await signIn();
      await page.goto(`${url}#/room_00000000-0000-4000-8000-000000000000`);
      await page.getByText("This room isn’t here").waitFor();
    },
  },
  {
    name: "join",
    run: async ({ page, signIn, url, world }) => {
      await signIn();
      const club = [...world.rooms.values()].find((room) => room.name === "reading-club");
      await page.goto(`${url}#/${club.id}`);
      await page.getByRole("button", { name: "Join room" }).waitFor();
    },
  },
  {
    name: "revoked",
    run: async ({ page, open, rooms, fake }) => {
      await open(rooms.launch);
      fake.io.emit("session:revoked", { reason: "revoked" });
      fake.io.disconnectSockets();
      await page.getByText("signed out from another").waitFor();
    },
  },
  {
    name: "full",
    run: async ({ page, open, rooms, fake }) => {
      await open(rooms.launch);
      fake.fullHouse = true;
      fake.cut();
      await page.getByText("too many places").waitFor({ timeout: 15000 });
    },
  },
];
