// Makes a replica set of the three members and the user that chatify is. Runs in mongosh against the first member, as
// often as one likes: what is there stays.
/* global db, rs, sleep, print */
const { ROOT_PASSWORD, USER_PASSWORD } = process.env;
const admin = db.getSiblingDB("admin");
admin.auth("root", ROOT_PASSWORD);

try {
  rs.status();
} catch (error) {
  if (error.codeName !== "NotYetInitialized") throw error;
  rs.initiate({ _id: "rs0", members: [{ _id: 0, host: "mongo-1:27017" }] });
}
while (!db.hello().isWritablePrimary && !db.hello().primary) sleep(200);

// On a later run another member may be the primary; then the set is complete, for only the first one adds members.
if (db.hello().isWritablePrimary) {
  for (const host of ["mongo-2:27017", "mongo-3:27017"]) {
    // The set takes one change at a time, and only after the last one has reached a majority.
    while (!rs.conf().members.some((member) => member.host === host)) {
      try {
        rs.add(host);
      } catch (error) {
        print(`${host}: ${error.message}; again`);
        sleep(1000);
      }
    }
  }
  if (!admin.getUser("chatify")) {
    // It reads the set's health to judge whether the guarantee can hold.
    const roles = [{ role: "readWrite", db: "chatify" }, { role: "clusterMonitor", db: "admin" }];
    admin.createUser({ user: "chatify", pwd: USER_PASSWORD, roles }, { w: "majority" });
  }
}
while (rs.status().members.some((member) => !["PRIMARY", "SECONDARY"].includes(member.stateStr))) sleep(500);
