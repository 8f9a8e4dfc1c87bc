// Brings the input rows of a tile from the memory to the input buffer.
module pixel_loader #(
    parameter int POX = 4,  // pixels of a beat
    parameter int POY = 4,  // row banks
    parameter int DW = 8    // bits of a pixel
) (
    input  logic              clk,        // clock
    input  logic              rst,        // reset, synchronous
    input  layer_t            cfg,        // layer
    input  tile_t             tile,       // tile to load, stable until `busy` falls
    input  logic              start,      // load it
    output logic              busy,       // under way
    output logic              req_valid,  // memory: a read is asked for
    input  logic              req_ready,  // and accepted
    output logic [      31:0] req_addr,   // its byte address
    output logic [       7:0] req_bytes,  // its bytes
    input  logic              rsp_valid,  // memory: an answer is there, in the order asked
    output logic              rsp_ready,  // and taken
    input  logic [POX*DW-1:0] rsp_data,   // its pixels
    output logic              we,         // input buffer: write POX pixels
    output logic [       7:0] wr_bank,    // row bank
    output logic [      15:0] wr_word,    // word
    output logic [POX*DW-1:0] wr_data     // the pixels
);
  localparam int BYTES = DW / 8;
  logic ask_active, ask_valid, got_active, got_valid, row_end;
  logic [7:0] ask_n, bank;
  logic [15:0] word;

  row_walker #(.POX(POX), .POY(POY), .BYTES(BYTES)) ask (
      .clk, .rst, .cfg, .tile, .start, .advance(req_valid && req_ready),
      .active(ask_active), .valid(ask_valid), .addr(req_addr), .n(ask_n), .row_end(), .bank(), .word()
  );
  assign req_valid = ask_valid;
  assign req_bytes = ask_n * 8'(BYTES);

  row_walker #(.POX(POX), .POY(POY), .BYTES(BYTES)) got (
      .clk, .rst, .cfg, .tile, .start, .advance(rsp_valid && rsp_ready),
      .active(got_active), .valid(got_valid), .addr(), .n(), .row_end(row_end), .bank(bank), .word(word)
  );

  logic sort_ready;
  pixel_scatter #(.POX(POX), .DW(DW)) sort (
      .clk, .rst, .s_w(cfg.s_w), .word_px(cfg.word_px),
      .valid(rsp_valid && got_valid), .ready(sort_ready), .beat(rsp_data), .row_end, .bank, .word,
      .we, .wr_bank, .wr_word, .wr_data
  );
  assign rsp_ready = got_valid && sort_ready;
  assign busy = ask_active || got_active || we;
endmodule
